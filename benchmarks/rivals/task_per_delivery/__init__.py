"""One django-q2 task for each delivery, and requests.post in it: what a project writes that has django-q2 anyway."""
