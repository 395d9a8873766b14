"""What an agency of the usual size writes down of a lead. For processes in which Django is set up."""

from __future__ import annotations

from typing import Any

from leads.models import Lead
from tests import factories

# A vendor who filled in most of the form: the request to LeadPro has about 1.5 kB of body and twice that of headers.
WRITTEN: dict[str, Any] = {
    "title": "Ms",
    "source": "homepage",
    "message": "We are thinking of moving closer to the school next spring. What would our house be worth by then?",
    "property_bedrooms": 4,
    "minimum_sale_estimation": 385_000,
    "average_sale_estimation": 402_500,
    "maximum_sale_estimation": 420_000,
    "property_type": "semi-detached",
    "meta": {"utm_source": "newsletter", "utm_campaign": "spring valuation"},
}


def lead(**values: Any) -> Lead:
    """Stored, in an office of the first account."""
    return factories.lead(**({"office": factories.office()} | WRITTEN | values))
