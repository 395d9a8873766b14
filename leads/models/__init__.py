from leads.models.account import Account
from leads.models.apikey import ApiKey
from leads.models.lead import Lead
from leads.models.membership import Membership
from leads.models.office import Office
from leads.models.role import Role
from leads.models.user import User

__all__ = ["Account", "ApiKey", "Lead", "Membership", "Office", "Role", "User"]
