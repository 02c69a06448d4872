"""What staff do with an invitation that exists: send it again, take it back, put it right."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from inviter.models import Channel, Clinic

END_OF_DAY = time(23, 59, 59)


def channels(*, email: str | None, can_text: bool, sms: bool) -> list[Channel]:
    """How a patient is reached; none means by the code alone."""
    found = [Channel.EMAIL] if email else []
    return [*found, Channel.SMS] if sms and can_text else found


def expiry(clinic: Clinic, now: datetime) -> datetime:
    """The end of the day, at the clinic, on which an invitation made now expires."""
    zone = ZoneInfo(clinic.time_zone)
    last_day = now.astimezone(zone).date() + timedelta(days=clinic.expiry_days)
    return datetime.combine(last_day, END_OF_DAY, zone)
