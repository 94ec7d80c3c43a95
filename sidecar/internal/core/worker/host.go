package worker

import "time"

// HostLoad is how busy the engine's host was while a reading was taken.
type HostLoad struct {
	Busy     float64 // share of the time of all CPUs, from 0 to 1
	Runnable float64 // tasks that ran or could have, on average; those that a quota throttles are none of them
	CPUs     int
}

// The bounds of a host that is out of CPU. Workers that compute all the time are what Stoker is for, so that busy CPUs alone are no
// sign, nor is a task for each. With half as many again in the queue, one that wants a CPU gets two thirds of it on
// average: too little for a quota of one CPU, and for a smaller one only if there are more still, which its own reading shows.
const (
	saturatedBusy     = 0.98
	saturatedRunnable = 1.5 // for each CPU
)

// Saturated reports whether the host is out of CPU. A host of which nothing is known is not.
func (h *HostLoad) Saturated() bool {
	return h != nil && h.CPUs > 0 && h.Busy >= saturatedBusy && h.Runnable >= saturatedRunnable*float64(h.CPUs)
}

// hostStarvedRetry is how long a worker that waits for its host waits for the next reading, which reports whether that is over.
const hostStarvedRetry = 30 * time.Second

// hostStarvedAnswer: the worker gets no CPU because there is none. The fleet holds its restart while that lasts (rule 15); the question is asked
// again meanwhile, for the host may get well, or the worker turn out to hang.
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
