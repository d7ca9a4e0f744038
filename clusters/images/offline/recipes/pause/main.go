// What a Pod's sandbox runs: it holds the namespaces, and as process 1 of a
// shared PID namespace it reaps the zombies that the Pod's containers leave.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// reap collects every child that has ended; SIGCHLD may stand for several.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGINT, syscall.SIGTERM)
	reap() // children may have ended before the line above
	for received := range signals {
		if received != syscall.SIGCHLD {
			fmt.Fprintln(os.Stderr, "pause: ending on", received)
			return
		}
		reap()
	}
}
