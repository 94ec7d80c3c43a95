// Package simulation lets Stoker's deciding half live through hours of trouble in a second, exactly as often as wanted.
//
// It is tests only. A run is a seed, drawn into a plan: who the workers are, and what operators, workers, the engine
// and Stoker's own deaths do to them, and when. One thread then takes the earliest of what the world says, what the fleet
// wants to be woken for, and what the plan has next. The world is enginetest's, which knows what really happened;
// checkers hold the run against the invariants of docs/how-it-works.md.
//
//	go test ./sidecar/internal/test/simulation                           the short run, and every bug ever found
//	go test ./sidecar/internal/test/simulation -run Sim -args -seed=7 -trace  one seed, told line by line
//	go test ./sidecar/internal/test/simulation -run Sim -args -seed=7 -shrink=name -why='...'
//	                                                                the fewest deeds that still fail, kept in testdata
//	make sim                                                        a long run, on all cores: SEEDS=5000 FIRST=1 HOURS=0.5
//
// What no Stoker could know it is not blamed for: events that were lost, a journal that was lost, a stop that was sent while
// the clock stepped, a signal that came while Stoker's own stop had no answer. Each excuse is a function with its reason.
package simulation
