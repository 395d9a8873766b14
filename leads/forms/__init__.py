"""Web forms, their public side: what a form may ask, what somebody sent, and the lead that becomes of it."""
