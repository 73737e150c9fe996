"""Workers: who takes jobs from the queue and does their steps, who looks after them, and how all of it is put together."""
