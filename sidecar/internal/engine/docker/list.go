package docker

import (
	"context"
	"fmt"
	"strings"

	"stoker/sidecar/internal/core/worker"
)

// List returns every container of the engine, running or not, as Listed with Status, Health and Labels. The caller sets At. Health is set
// for running containers only: engines below API 1.52 report it in the text of `docker ps`, which has none for the others. On an error
// there is no list.
func (c *Client) List(ctx context.Context) ([]worker.Observation, error) {
	ctx, s := withResponse(ctx)
	found, err := c.listAll(ctx)
	if err != nil {
		return nil, c.fail("list the containers", s, err)
	}
	list := make([]worker.Observation, 0, len(found))
	inWords := healthFromText
	if c.podman.Load() != nil { // its text has no health
		inWords = func(string) worker.Health { return worker.HealthUnknown }
	}
	for _, one := range found {
		if one.ID == "" {
			return nil, fmt.Errorf("list the containers of %s: an entry has no id; this is no Docker engine", c.host)
		}
		list = append(list, worker.Observation{
			Kind:   worker.Listed,
			ID:     one.ID,
			Key:    keyOf(one.Names),
			Labels: one.Labels,
			ListState: worker.ListState{Status: statusOf(one.State),
				Health: inWords(one.Status)},
		})
		if settings := one.NetworkSettings; settings != nil && c.podman.Load() == nil {
			list[len(list)-1].Networks = networkNames(settings.Networks)
		}
	}
	return list, nil
}

// keyOf returns the container's own name. A linked container is also listed under its alias in the other one (/web/db), and
// that may come first (seen on 20.10.24).
func keyOf(names []string) worker.Key {
	for _, name := range names {
		if own := strings.TrimPrefix(name, "/"); !strings.Contains(own, "/") {
			return worker.Key(own)
		}
	}
	return ""
}

// healthFromText parses "Up 2 minutes (healthy)" and "Up 1 second (health: starting)".
func healthFromText(text string) worker.Health {
	open := strings.LastIndexByte(text, '(')
	if open < 0 || !strings.HasSuffix(text, ")") {
		return worker.HealthNone
	}
	return health(strings.TrimPrefix(text[open+1:len(text)-1], "health: "))
}
