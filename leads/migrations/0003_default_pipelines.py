"""Every account gets a pipeline of the thirteen stages, and every lead stands in it by the stage that it had."""

from django.db import migrations
from django.db.models import F, OuterRef, Subquery

from leads.fields import STAGES
from leads.models.pipeline import DEFAULT_NAME, OUTCOME_OF


def give_pipelines(apps, schema_editor):
    using = schema_editor.connection.alias
    models = {name: apps.get_model("leads", name) for name in ("Account", "Lead", "Pipeline", "Stage")}
    Lead, Stage = models["Lead"].objects.using(using), models["Stage"].objects.using(using)
    for account in models["Account"].objects.using(using).filter(pipelines=None):
        pipeline = models["Pipeline"].objects.using(using).create(account=account, name=DEFAULT_NAME, is_default=True)
        Stage.bulk_create(
            Stage.model(
                pipeline=pipeline, name=name, position=position, code=code, outcome=OUTCOME_OF.get(code, "open")
            )
            for position, (code, name) in enumerate(STAGES)
        )
        of_code = Stage.filter(pipeline=pipeline, code=OuterRef("stage")).values("pk")[:1]
        Lead.filter(account=account).update(pipeline=pipeline, pipeline_stage=Subquery(of_code))
    Lead.update(modified_date=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("leads", "0002_further_fields_and_records")]

    operations = [migrations.RunPython(give_pipelines, migrations.RunPython.noop, elidable=True)]
