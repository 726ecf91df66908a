"""Dates and times in German, in the letters of Django's date filter."""

DATE_FORMAT = "j. F Y"
TIME_FORMAT = "H:i"
# With the reader's zone: the exact time of what "3 minutes ago" means.
DATETIME_FORMAT = "j. F Y, H:i T"
