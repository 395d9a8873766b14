"""Public addresses of forms. A slash at the end is optional."""

from django.urls import re_path

from leads.forms.views import form

urlpatterns = [re_path(r"^(?P<uid>[^/]+)/?$", form, name="hosted_form")]
