"""Work that outlives the request that asked for it: jobs, what they work with, plans that wait, and what callers sent along."""
