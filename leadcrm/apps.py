from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    """Django's admin, on our site."""

    default_site = "leadcrm.site.Site"
