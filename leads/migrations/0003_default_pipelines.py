"""Every account gets a pipeline of the thirteen stages, and every lead stands in it by the stage that it had."""

from django.db import migrations
from django.db.models import F, OuterRef, Subquery

# Code, name, outcome: as they were when this was written.
STAGES = (
    ("NEW", "New", "open"),
    ("CONTACTED", "Contacted", "open"),
    ("KEEP_IN_TOUCH", "Keep in touch", "open"),
    ("LOST", "Lost", "loss"),
    ("NOT_CONTACTABLE", "Not contactable", "open"),
    ("WON", "Won", "win"),
    ("VALUATION_BOOKED", "Valuation booked", "open"),
    ("INSTRUCTED", "Instructed", "open"),
    ("VIEWING_BOOKED", "Viewing booked", "open"),
    ("REGISTERED", "Registered", "open"),
    ("DUPLICATE", "Duplicate", "loss"),
    ("SPAM", "Spam", "loss"),
    ("DELETED", "Deleted", "loss"),
)


def give_pipelines(apps, schema_editor):
    using = schema_editor.connection.alias
    account, lead, pipeline, stage = (
        apps.get_model("leads", name).objects.using(using) for name in ("Account", "Lead", "Pipeline", "Stage")
    )
    for one in account.filter(pipelines=None):
        its_pipeline = pipeline.create(account=one, name="Sales pipeline", is_default=True)
        stage.bulk_create(
            stage.model(pipeline=its_pipeline, name=name, position=position, code=code, outcome=outcome)
            for position, (code, name, outcome) in enumerate(STAGES)
        )
        of_code = stage.filter(pipeline=its_pipeline, code=OuterRef("stage")).values("pk")[:1]
        lead.filter(account=one).update(pipeline=its_pipeline, pipeline_stage=Subquery(of_code))
    lead.update(modified_date=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("leads", "0002_further_fields_and_records")]

    operations = [migrations.RunPython(give_pipelines, migrations.RunPython.noop, elidable=True)]
