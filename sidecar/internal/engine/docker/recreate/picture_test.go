package recreate

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"
)

// everyPicture is every picture whose parts the engine can show, with the worker's name held by nobody, by one of the two,
// or by a stranger.
func everyPicture(yield func(Picture)) {
	const name = "w"
	states := []container.ContainerState{"created", "running", "exited", "dead", "removing"}
	var all []*Seen
	for _, place := range []string{name, name + NewSuffix, name + AsideSuffix, "other"} {
		for _, state := range states {
			for flags := range 8 {
				s := Seen{Name: place, Status: state, Ran: state != "created", Failed: flags&1 != 0 && state == "created",
					AutoRemove: flags&2 != 0, Missing: flags&4 != 0, Connected: true}
				all = append(all, &s)
			}
		}
	}
	for _, made := range append(all, nil) {
		for _, old := range append(all, nil) {
			if made != nil && old != nil && made.Name == old.Name && made.Name != "other" {
				continue
			}
			for flags := range 32 {
				p := Picture{Name: name, Back: flags&1 != 0, Whole: flags&2 != 0, Passed: flags&4 != 0, StayDown: flags&8 != 0}
				p.New, p.Old = numbered(made, "new"), numbered(old, "old")
				p.Holder = holder(p, flags&16 != 0)
				yield(p)
			}
		}
	}
}

func numbered(s *Seen, id string) *Seen {
	if s == nil {
		return nil
	}
	copied := *s
	copied.ID = id
	return &copied
}

func holder(p Picture, stranger bool) string {
	switch {
	case p.New != nil && p.New.Name == p.Name:
		return p.New.ID
	case p.Old != nil && p.Old.Name == p.Name:
		return p.Old.ID
	case stranger:
		return "stranger"
	}
	return ""
}

// do is an engine on which every step works.
func (p Picture) do(step Step) Picture {
	p.New, p.Old = numbered(p.New, "new"), numbered(p.Old, "old")
	switch step {
	case StopOld:
		p.Old.Status, p.Passed = "exited", true
	case Aside:
		p.Old.Name, p.Passed = p.Name+AsideSuffix, true
	case Promote:
		p.New.Name, p.Passed = p.Name, true
	case Start:
		p.New.Status, p.New.Ran = "running", true
	case Prove:
		p.Proven = true
	case Remove, Await:
		p.Old = nil
	case StopNew:
		p.New.Status = "exited"
	case Demote:
		p.New.Name = p.Name + NewSuffix
	case Restore:
		p.Old.Name = p.Name
	case Revive:
		p.Old.Status = "running"
	case Discard:
		p.New = nil
	}
	p.Holder = holder(p, p.Holder == "stranger")
	return p
}

// lastOfTheWorker reports whether the removal of a container takes away the last one of the worker.
func lastOfTheWorker(other *Seen) bool { return !other.usable() }

// From every picture a few steps lead to the end, and none of them removes what it must not.
func TestNextFromEveryPicture(t *testing.T) {
	pictures := 0
	everyPicture(func(p Picture) {
		pictures++
		first, steps := p, []Step{}
		for step := Next(p); step != Finished; step = Next(p) {
			steps = append(steps, step)
			story := func() string { return fmt.Sprintf("new %+v, old %+v, %+v: %v", first.New, first.Old, first, steps) }
			if len(steps) > 12 {
				require.Fail(t, "no end", story())
			}
			if bad := judge(p, step); bad != "" {
				require.Fail(t, bad, story())
			}
			p = p.do(step)
		}
	})
	t.Log(pictures, "pictures")
	require.Greater(t, pictures, 100_000)
}

func judge(p Picture, step Step) string {
	switch step {
	case Remove:
		switch {
		case !p.Proven || p.place(p.New) != atName || !p.New.up():
			return "the old one is removed before the new one is proven"
		case p.place(p.Old) != aside || p.Old.up():
			return "an old one is removed that the transaction did not set aside"
		}
	case Discard:
		switch {
		case p.place(p.New) != atTemp || p.New.up():
			return "a new one is removed that is not where the transaction put it"
		case lastOfTheWorker(p.Old) && !p.taken() && p.heir():
			return "the last container of the worker is removed"
		case p.place(p.Old) == aside && !p.taken():
			return "the only record of what the old one is goes before the old one is back"
		}
	case Start, Promote:
		if old := p.place(p.Old); p.Old.up() && (old == atName || old == aside) {
			return "both would run"
		}
		if step == Start && p.StayDown {
			return "somebody stopped it"
		}
	case Revive:
		if made := p.place(p.New); p.StayDown || p.New.up() && (made == atName || made == atTemp) {
			return "both would run, or somebody stopped it"
		}
	case StopOld, Aside, Restore, Demote, StopNew, Prove, Await, Gather, Create, Connect, Carry, Compare, Finished:
	}
	return ""
}

func TestTurnsBack(t *testing.T) {
	see := func(name string, state container.ContainerState) *Seen {
		return &Seen{Name: name, Status: state, Ran: state != "created"}
	}
	fresh, up := see("w.stoker-new", "created"), see("w", "running")
	aside, old := see("w.stoker-old", "exited"), see("w", "running")
	ended := see("w", "exited")
	proven := *ended
	proven.Life = time.Minute
	failed := see("w", "created")
	failed.Failed = true
	for name, c := range map[string]struct {
		p    Picture
		back bool
	}{
		"nothing was done to the old one":     {Picture{New: fresh, Old: old}, true},
		"the old one is stopped":              {Picture{New: fresh, Old: see("w", "exited")}, true},
		"the old one has made room":           {Picture{New: fresh, Old: aside}, false},
		"it runs again":                       {Picture{New: fresh, Old: see("w.stoker-old", "running")}, true},
		"the new one has the name":            {Picture{New: see("w", "created"), Old: aside}, false},
		"it runs":                             {Picture{New: up, Old: aside}, false},
		"its start failed":                    {Picture{New: failed, Old: aside}, true},
		"it ended before it was proven":       {Picture{New: ended, Old: aside}, true},
		"it ended after it was proven":        {Picture{New: &proven, Old: aside}, false},
		"it has lost the name again":          {Picture{New: see("w.stoker-new", "exited"), Old: aside}, true},
		"the new one is gone":                 {Picture{Old: aside}, true},
		"the old one is gone":                 {Picture{New: fresh}, false},
		"the old one cannot be used any more": {Picture{New: fresh, Old: see("w.stoker-old", "dead")}, false},
		"somebody stopped the worker":         {Picture{New: up, Old: aside, StayDown: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.p.Name = "w"
			require.Equal(t, c.back, TurnsBack(c.p, 2*time.Second))
		})
	}
}
