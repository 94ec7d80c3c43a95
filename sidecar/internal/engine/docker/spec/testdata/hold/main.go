// Command hold is the worker of the live tests: it is healthy and waits for SIGTERM or SIGUSR1. "hold empty FOLDER" removes a folder's
// content, because the image has no shell.
package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "health" {
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "empty" {
		empty(os.Args[2])
		return
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGUSR1)
	<-end
}

func empty(folder string) {
	files, _ := filepath.Glob(filepath.Join(folder, "*"))
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			panic(err)
		}
	}
}
