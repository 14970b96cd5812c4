from eigenstep.threads import set_threads

set_threads(1)
