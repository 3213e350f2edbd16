package background

import "golang.org/x/sys/unix"

// niceness is how much the thread yields: at 5 it has a third of the weight of
// others. With much more it would hold the locks it takes for too long.
const niceness = 5

// lower lowers the priority of the thread. What is refused is left as it is.
func lower() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceness)
}
