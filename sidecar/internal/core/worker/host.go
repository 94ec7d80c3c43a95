package worker

import "time"

// HostLoad is the load of the engine's host during a reading.
type HostLoad struct {
	Busy     float64 // share of the time of all CPUs, from 0 to 1
	Runnable float64 // average number of runnable tasks, without those that a quota throttles
	CPUs     int
}

// The bounds of a saturated host. Workers may compute all the time, so busy CPUs alone are no sign, and neither is one runnable
// task per CPU. With 1.5 runnable tasks per CPU, a task gets two thirds of a CPU on average. That is too little for a quota of
// one CPU. A smaller quota suffers only with more tasks, which its own reading shows.
const (
	saturatedBusy     = 0.98
	saturatedRunnable = 1.5 // for each CPU
)

// Saturated reports whether the host is out of CPU. An unknown load is not saturated.
func (h *HostLoad) Saturated() bool {
	return h != nil && h.CPUs > 0 && h.Busy >= saturatedBusy && h.Runnable >= saturatedRunnable*float64(h.CPUs)
}

// hostStarvedRetry is the interval between readings for a worker that waits for its host.
const hostStarvedRetry = 30 * time.Second

// hostStarvedAnswer: the worker gets no CPU because the host has none. The fleet delays its restart meanwhile (rule 15). The
// question is repeated, because the host may recover, or the worker may hang.
func (m *Machine) hostStarvedAnswer(now time.Time, host *HostLoad) {
	if host.Saturated() {
		m.cpu.question, m.cpu.askAt = questionHostStarved, now.Add(hostStarvedRetry)
	}
}

// HostStarved reports whether the worker's probe was cut off because the host is out of CPU.
func (m *Machine) HostStarved() bool {
	_, timedOut := m.ProbeState()
	return m.cpu.question == questionHostStarved && timedOut
}
