"""Everything is killed, filled, stopped and lost while users upload; afterwards every object has its one right outcome.

`hooks` stands between MinIO and the trigger; `uploads` is the users, `truth` what they were promised; `faults` does the
harm; `chaos` runs it all; `judgement` compares listing, rows and promises.
"""
