import gc
from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = "CRM"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from leads import jobs, reminders, roles
        from leads.imports import work

        # A write of many records makes thousands of small objects, none of them in a ring: looking for rings after
        # every 700, as Python does, takes a sixth of the time.
        gc.set_threshold(10_000)
        post_migrate.connect(roles.grant_all, sender=self)
        jobs.declare(reminders.JOB, run="leads.reminders.remind", waiting="leads.reminders.waiting", by_the_second=True)
        jobs.declare(work.JOB, run="leads.imports.work.work", waiting="leads.imports.work.waiting", by_the_second=True)
        # Here rather than by the admin's autodiscovery: the site, and our template tags, import parts of leads.admin
        # before there is anything to register with.
        import_module("leads.admin.screens")
