package fleet

import "time"

// probes counts the health check results of all members, so that an event needs no pass over all workers.
type probes struct {
	watched, timedOut, starved int
	recent                     map[*member]bool // recently stopped for a timed-out probe
}

// probe is one member's contribution to the counts.
type probe struct{ watched, timedOut, starved bool }

func (p *probes) count(m *member) {
	p.remove(m)
	watched, timedOut := m.machine.ProbeState()
	m.probe = probe{watched: watched, timedOut: timedOut, starved: m.machine.HostStarved()}
	p.add(m.probe, 1)
}

func (p *probes) remove(m *member) {
	p.add(m.probe, -1)
	m.probe = probe{}
}

func (p *probes) add(one probe, n int) {
	if one.watched {
		p.watched += n
	}
	if one.timedOut {
		p.timedOut += n
	}
	if one.starved {
		p.starved += n
	}
}

// stopped records a member that is being stopped for a timed-out probe.
func (p *probes) stopped(m *member) {
	if p.recent == nil {
		p.recent = map[*member]bool{}
	}
	p.recent[m] = true
}

// expire removes members that were stopped too long ago to count.
func (p *probes) expire(now time.Time) {
	for m := range p.recent {
		if !m.recentlyTimedOut(now) {
			delete(p.recent, m)
		}
	}
}
