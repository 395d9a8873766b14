"""`manage.py worker`: the processes that send what is queued, and what keeps them going.

    keeper ─┬─ clock                       asks for a deliver task when something is due
            └─ sentinel ─┬─ pusher         hands tasks to the workers
                         ├─ worker (n)     run them; once it calls Lapps, each has a nursery that forks their runs
                         └─ monitor        takes their results

The last four are django-q2's (pool.py). It never notices some of its own deaths: an idle worker that is killed takes
the lock of the queue with it, and from then on nothing runs while the log says that all is well. So the keeper, which
touches neither database nor queue and hence cannot hang with them, watches from outside and rebuilds the tree. The
processes tell each other how they are on a board in shared memory, without a lock that a dead one could take along.
"""
