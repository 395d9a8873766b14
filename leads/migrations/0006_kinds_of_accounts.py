"""Every account gets the kinds of activities and opportunities that a new one begins with."""

from django.db import migrations

# As they were when this was written.
ACTIVITY_TYPES = (
    (21, "Inbound phone call", "lead"),
    (22, "Outbound phone call", "lead"),
    (30, "Sales activity", "sales"),
    (201, "Meeting", "lead"),
    (202, "Account review", "company"),
)
OPPORTUNITY_TYPES = ((12_000, "Opportunity", ["Prospecting", "Qualified", "Proposal", "Negotiation", "Closed"]),)


def give_kinds(apps, schema_editor):
    using = schema_editor.connection.alias
    account, activity_type, opportunity_type = (
        apps.get_model("leads", name).objects.using(using) for name in ("Account", "ActivityType", "OpportunityType")
    )
    for pk in account.values_list("pk", flat=True):
        activity_type.bulk_create(
            activity_type.model(account_id=pk, code=code, name=name, kind=kind) for code, name, kind in ACTIVITY_TYPES
        )
        opportunity_type.bulk_create(
            opportunity_type.model(account_id=pk, code=code, name=name, stages=stages)
            for code, name, stages in OPPORTUNITY_TYPES
        )


class Migration(migrations.Migration):
    dependencies = [("leads", "0005_records_of_leadsquared")]

    operations = [migrations.RunPython(give_kinds, migrations.RunPython.noop, elidable=True)]
