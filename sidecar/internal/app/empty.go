package app

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// emptyWait is how long after the first list a Stoker without a worker says so: containers that are selected by their quota are
// inspected first, and those of the same compose file may be a little later.
const emptyWait = 5 * time.Second

// emptyNotice reports a Stoker that has no worker. It is used by one goroutine.
type emptyNotice struct {
	selector policy.Selector
	view     func() fleet.View
	log      *logSink
	looked   bool
	group    sync.WaitGroup
}

func newEmptyNotice(s policy.Selector, view func() fleet.View, log *logSink) *emptyNotice {
	return &emptyNotice{selector: s, view: view, log: log}
}

// observe looks at the workers some time after the first list, and never again.
func (n *emptyNotice) observe(ctx context.Context, o worker.Observation) {
	if n.looked || o.Kind != worker.ListEnd {
		return
	}
	n.looked = true
	n.group.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(emptyWait):
			if len(n.view().Workers) == 0 {
				n.log.message(logrus.WarnLevel, "there is no worker to look after", wanted(n.selector)+
					"; stoker check shows for each container why it is managed or not")
			}
		}
	})
}

func (n *emptyNotice) wait() { n.group.Wait() }

// wanted says what a selector looks for and does not find.
func wanted(s policy.Selector) string {
	scope := " and no stoker.scope"
	if s.Scope != "" {
		scope = " and stoker.scope=" + s.Scope
	}
	switch s.Mode {
	case policy.ModeQuota:
		return "no container has a CPU quota" + scope
	case policy.ModeAll:
		if s.Scope == "" {
			return "there is no container but Stoker's own"
		}
		return "no container has stoker.scope=" + s.Scope
	case policy.ModeLabel:
	}
	return "no container has stoker.enable=true" + scope
}
