"""An account with an inbound webhook that takes LeadEngine's sample, and an API key to post with."""

from __future__ import annotations

import django

from benchmarks.process import serve

django.setup()

from django.contrib.auth.models import Group  # noqa: E402

from leads import roles  # noqa: E402
from leads.models import ApiKey, Membership, User  # noqa: E402
from leads.models.apikey import Scope  # noqa: E402
from tests import factories  # noqa: E402
from webhooks.models import InboundWebhook  # noqa: E402

MAPPING = {
    "first_name": "first_name",
    "last_name": "last_name",
    "business_email": "email",
    "mobile_phone": "phone",
    "city": "city",
    "state": "state",
    "country": "country",
    "created_date": "date",
}


def prepare() -> tuple[str, str]:
    """The path of the webhook, and the key."""
    account = factories.account()
    user = User.objects.create_user("maker", "maker@example.com", is_staff=True)
    Membership.objects.create(user=user, account=account)
    user.groups.add(Group.objects.get(name=roles.MANAGER))
    key = ApiKey(account=account, user=user, name="Website", scopes=[Scope.INBOUND_WRITE])
    secret = key.generate()
    key.save()
    rows = [{"field": field, "path": path} for field, path in MAPPING.items()]
    inbound = InboundWebhook.objects.create(account=account, name="Website", mapping=rows)
    return f"/in/{inbound.uid}", secret


if __name__ == "__main__":
    serve({"prepare": prepare})
