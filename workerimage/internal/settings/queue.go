package settings

import (
	"errors"
	"os"
	"strings"

	"stoker/workerimage/internal/queue"
)

// queue reads a URL, which may hold a password, from WORKER_QUEUE or from the file in WORKER_QUEUE_FILE. No problem repeats any part of it.
func (e *environment) queue() *queue.Spec {
	name, text := "WORKER_QUEUE", e.text("WORKER_QUEUE", "")
	if path := e.text("WORKER_QUEUE_FILE", ""); path != "" {
		name = "WORKER_QUEUE_FILE"
		if text != "" {
			e.bad(name, errors.New("WORKER_QUEUE is set, too: use one of them"))
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			e.bad(name, err)
			return nil
		}
		if text = strings.TrimSpace(string(content)); text == "" {
			e.bad(name, errors.New("the file is empty"))
			return nil
		}
	}
	if text == "" {
		return nil
	}
	spec, err := queue.Parse(text)
	if err != nil {
		e.bad(name, err)
		return nil
	}
	return &spec
}

// name returns WORKER_NAME or else the host name, which is the container's ID in Docker.
func (e *environment) name() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return e.text("WORKER_NAME", host)
}
