// Command worker is a CPU worker to try Stoker with: it computes, keeps a checkpoint, answers a health check, and fails on
// request. It runs on Linux.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"stoker/workerimage/internal/app"
	"stoker/workerimage/internal/fault"
	"stoker/workerimage/internal/heartbeat"
	"stoker/workerimage/internal/produce"
	"stoker/workerimage/internal/settings"
)

// Stamped in by the build.
var (
	version = "dev"
	commit  = "unknown"
)

const usage = `usage: worker [COMMAND]

  worker              work (the default); on the tasks of a queue if WORKER_QUEUE or WORKER_QUEUE_FILE names one
  worker healthcheck  exit 0 while the worker works, 1 if not
  worker fault SPEC   make the running worker fail: crash, exit:N, hang, spin, leak, ignore-term, unhealthy;
                      recover ends it. With a time: hang@30s, crash@60s~20s. Several: unhealthy,recover@1m
  worker signal NAME  send a signal to the container's first process, as kill -NAME 1 where there is a kill: QUIT has the worker
                      print the stacks of its goroutines, and end with 2
  worker produce ...  put tasks into a queue, and collect their results with --wait
  worker collect ...  collect the results of an earlier run; worker produce --help shows the options of both
  worker version
`

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		return work(out, errs)
	}
	switch command, rest := args[0], args[1:]; {
	case command == "worker" && len(rest) == 0:
		return work(out, errs)
	case command == "healthcheck" && len(rest) == 0:
		return check(out, errs)
	case command == "fault" && len(rest) == 1:
		return send(rest[0], out, errs)
	case command == "signal" && len(rest) == 1:
		return signalFirst(rest[0], out, errs)
	case command == "produce" || command == "collect":
		return put(rest, command == "produce", out, errs)
	case command == "version" && len(rest) == 0:
		fmt.Fprintf(out, "worker %s (%s)\n", version, commit)
		return 0
	case command == "help" || command == "--help" || command == "-h":
		fmt.Fprint(out, usage)
		return 0
	default:
		fmt.Fprint(errs, usage)
		return exitUsage
	}
}

func work(out, errs io.Writer) int {
	set, err := settings.Read(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(errs, err)
		return exitUsage
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, app.Signals()...)
	return app.New(set, log.New(out, "", log.LstdFlags|log.LUTC)).Run(signals)
}

// check prints one line: Docker stores it with the result, and Stoker shows it.
func check(out, errs io.Writer) int {
	beat, err := settings.ReadHeartbeat(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(errs, err)
		return exitFailed // Docker reserves 2 for health checks
	}
	heartbeat.BurnCPU(beat.Effort)
	if err := heartbeat.Check(beat.Path, beat.MaxAge); err != nil {
		fmt.Fprintln(errs, "unhealthy:", err)
		return exitFailed
	}
	fmt.Fprintln(out, "healthy")
	return 0
}

func send(list string, out, errs io.Writer) int {
	if _, err := fault.Parse(list); err != nil {
		fmt.Fprintln(errs, err)
		return exitUsage
	}
	if err := fault.Send(settings.ReadFaultFile(os.LookupEnv), list); err != nil {
		fmt.Fprintln(errs, "cannot reach the worker:", err)
		return exitFailed
	}
	fmt.Fprintln(out, "sent:", list)
	return 0
}

// firstProcess is the PID of the worker in its container.
const firstProcess = 1

// signalFirst sends a signal to the worker, for stoker.before-stop: an image from scratch has no kill.
func signalFirst(name string, out, errs io.Writer) int {
	number := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
	if number == 0 {
		fmt.Fprintf(errs, "%q is no signal; write it such as QUIT\n", name)
		return exitUsage
	}
	if !isWorker(firstProcess) {
		fmt.Fprintf(errs, "process %d is no worker: run this in the worker's container, without an init\n", firstProcess)
		return exitFailed
	}
	if err := syscall.Kill(firstProcess, number); err != nil {
		fmt.Fprintf(errs, "cannot send %s to process %d: %v\n", name, firstProcess, err)
		return exitFailed
	}
	fmt.Fprintf(out, "sent %s to process %d\n", strings.ToUpper(name), firstProcess)
	return 0
}

// isWorker reports whether a process runs this very program. Outside a container the first process is the host's init.
func isWorker(pid int) bool {
	other, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	self, selfErr := os.Stat("/proc/self/exe")
	return err == nil && selfErr == nil && os.SameFile(other, self)
}

// put runs `worker produce`, or `worker collect` if put is false.
func put(args []string, put bool, out, errs io.Writer) int {
	for _, arg := range args {
		if arg == "--help" || arg == "-help" || arg == "-h" {
			fmt.Fprint(out, produce.Usage)
			return 0
		}
	}
	options, err := produce.Parse(args, put, os.LookupEnv)
	if err != nil {
		fmt.Fprintf(errs, "%v\n%s", err, produce.Usage)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return produce.Run(ctx, options, out, errs)
}
