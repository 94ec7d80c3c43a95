package simulation

// drawProbes adds probes from outside to some of the workers in half of the plans. It has its own random source.
func drawProbes(d random, p *plan) {
	if d.oneIn(2) {
		return
	}
	for _, s := range p.Containers {
		if s.Labels["stoker.enable"] != "true" || d.oneIn(2) {
			continue
		}
		s.Labels["stoker.probe"], s.Labels["stoker.probe-interval"] = "tcp://:1", pick(d, "1s", "2s", "5s")
		s.Labels["stoker.probe-timeout"], s.Labels["stoker.probe-retries"] = pick(d, "1s", "3s"), pick(d, "1", "2", "3")
		s.Labels["stoker.probe-start-period"] = pick(d, "0s", "0s", "10s")
	}
}
