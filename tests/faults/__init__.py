"""The faults that leadcrm must survive, as experiments with real processes and real kills.

`make test` runs each in its short form (test_experiments.py), `make faults` in full and writes docs/faults.md. Both are
judged by the same code, and test_sabotage.py shows that the judge sees what is broken on purpose.

    stack.py        what the program stands on: SQLite, or PostgreSQL with Redis, both as shipped
    trial.py        one program, kept as systemd would, with a receiver, people who save leads, and kills
    receiver.py     a process: stores each request on disk before it answers, as slowly or badly as it is told
    writer.py       a process: saves leads in Django, and fails in the middle where it is told to
    visitors.py     threads: post leads to the API
    tree.py         which process of a worker is which
    ledger.py       committed, received, history, and what they say of each other
    experiment.py   what an experiment is, and what it finds

To add one, write in a file of its own, or in that of its family:

1.  A frozen dataclass for its size: how many, how fast, how long. Everything else stays as shipped: queue settings,
    leases and deadlines are never scaled, the waits between tries are a hundredth (WEBHOOK_RETRY_SCALE), but in F13.
2.  A function of (stack, size, seed). It opens a Trial, does its worst, waits by trial.drain(within=...), and returns
    trial.checks(trial.balance(), duplicates=...), which all have in common, and its own: none("lost updates", found),
    at_most("longest wait", seconds, 90, " s"). at_least tells that it did what it is about. Every wait has a limit, and
    all chance comes from trial.choice or the seed.
3.  An Experiment in the file's EXPERIMENTS: id, title, short and full size, and its stacks if not both. The short form
    has 30 seconds, one with a killed claim 100; say in the file's docstring what was scaled down.
4.  The file's name in experiments.py. Then: python -m tests.faults F8 (full), python -m tests.faults --short F8.

A receiver by name is Trial(webhooks=("standard-1", "standard-2")), each with a path of its own, whose manner
trial.receiver.ask("behave", webhook="standard-1", soonest=14, latest=14) sets; settings=... are fields of the webhooks.
"""
