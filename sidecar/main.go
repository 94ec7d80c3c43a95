// Command stoker keeps CPU workers running: see the README.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // TZ works in an image without zoneinfo

	"stoker/sidecar/internal/command"
)

// Set by the linker: -ldflags "-X main.version=1.2.3 -X main.commit=abcdef".
var version, commit string

func main() {
	os.Exit(execute())
}

func execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return command.Execute(ctx, command.Host(command.NewBuild(version, commit)))
}
