from leads.models.account import Account
from leads.models.activity import Activity, CompanyActivity
from leads.models.apikey import ApiKey
from leads.models.campaign import Campaign
from leads.models.company import Company
from leads.models.custom_field import CustomField
from leads.models.form import Form, FormSubmission
from leads.models.kind import ActivityType, OpportunityType
from leads.models.lead import Lead
from leads.models.lead_import import ImportPart, ImportRefusal, LeadImport
from leads.models.lead_key import LeadKey
from leads.models.lead_list import LeadList
from leads.models.leave import Leave
from leads.models.membership import Membership
from leads.models.merge import Merge
from leads.models.message import Message
from leads.models.not_same import NotSame
from leads.models.office import Office
from leads.models.opportunity import Opportunity
from leads.models.pipeline import Pipeline, Stage
from leads.models.product import Product
from leads.models.role import Role
from leads.models.tag import Tag
from leads.models.task import Task
from leads.models.turn import Turn
from leads.models.user import User

__all__ = [
    "Account",
    "Activity",
    "ActivityType",
    "ApiKey",
    "Campaign",
    "Company",
    "CompanyActivity",
    "CustomField",
    "Form",
    "FormSubmission",
    "ImportPart",
    "ImportRefusal",
    "Lead",
    "LeadImport",
    "LeadKey",
    "LeadList",
    "Leave",
    "Membership",
    "Merge",
    "Message",
    "NotSame",
    "Office",
    "Opportunity",
    "OpportunityType",
    "Pipeline",
    "Product",
    "Role",
    "Stage",
    "Tag",
    "Task",
    "Turn",
    "User",
]
