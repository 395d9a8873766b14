"""Leads that other systems post: verify, accept, translate and apply are the steps; process conducts them."""
