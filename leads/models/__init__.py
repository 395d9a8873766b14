from leads.models.account import Account
from leads.models.apikey import ApiKey
from leads.models.campaign import Campaign
from leads.models.custom_field import CustomField
from leads.models.form import Form, FormSubmission
from leads.models.lead import Lead
from leads.models.lead_list import LeadList
from leads.models.membership import Membership
from leads.models.message import Message
from leads.models.office import Office
from leads.models.pipeline import Pipeline, Stage
from leads.models.role import Role
from leads.models.tag import Tag
from leads.models.user import User

__all__ = [
    "Account",
    "ApiKey",
    "Campaign",
    "CustomField",
    "Form",
    "FormSubmission",
    "Lead",
    "LeadList",
    "Membership",
    "Message",
    "Office",
    "Pipeline",
    "Role",
    "Stage",
    "Tag",
    "User",
]
