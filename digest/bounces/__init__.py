"""Reports come in: read them safely, find whom they concern, judge them, and apply the policy."""
