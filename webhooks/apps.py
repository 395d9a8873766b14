from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"
    verbose_name = "Integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from leads import jobs
        from webhooks import lapp, receivers, roles
        from webhooks.automation import mail, start
        from webhooks.inbound import process
        from webhooks.outbound import alarms, gather, handshake, notify, probe, replay, switch

        receivers.connect()
        lapp.discover()
        jobs.declare(replay.JOB, run="webhooks.outbound.replay.resume", waiting="webhooks.outbound.replay.waiting")
        jobs.declare(switch.JOB, run="webhooks.outbound.switch.release", waiting="webhooks.outbound.switch.stranded")
        jobs.declare(notify.JOB, run="webhooks.outbound.notify.mail", waiting="webhooks.outbound.notify.owed")
        jobs.declare(alarms.JOB, run="webhooks.outbound.alarms.remind", waiting="webhooks.outbound.alarms.owed")
        jobs.declare(
            gather.JOB,
            run="webhooks.outbound.gather.gather",
            waiting="webhooks.outbound.gather.waiting",
            by_the_second=True,
        )
        jobs.declare(
            probe.JOB, run="webhooks.outbound.probe.ask", waiting="webhooks.outbound.probe.due", by_the_second=True
        )
        jobs.declare(
            start.JOB,
            run="webhooks.automation.running.run",
            waiting="webhooks.automation.running.due",
            by_the_second=True,
        )
        jobs.declare(mail.JOB, run="webhooks.automation.mail.send", waiting="webhooks.automation.mail.owed")
        jobs.declare(handshake.JOB, run="webhooks.outbound.handshake.shake", waiting="webhooks.outbound.handshake.owed")
        jobs.declare(process.JOB, run="webhooks.inbound.process.finish", waiting="webhooks.inbound.process.waiting")
        post_migrate.connect(roles.grant_all, sender=self)
