"""Other ways to send webhooks from Django, each a small project of its own, set up as its documentation says.

A project has settings and a module `work`, which answers: prepare(url), queue(count, database), settled(). What its
workers do is its own affair. DATABASE_NAME, PGHOST and PGUSER name its PostgreSQL, REDIS_URL its Redis.
"""
