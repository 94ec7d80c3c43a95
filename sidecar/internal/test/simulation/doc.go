// Package simulation runs Stoker's core through hours of faults in about a second of real time, and can repeat each run exactly.
//
// It contains tests only. A seed is drawn into a plan: the containers, and the faults with their times. Faults are actions of operators, faults
// of workers and of the engine, and ends of Stoker. One thread takes whichever is earliest: the next output of the world, the next tick that the
// fleet asked for, or the next fault of the plan. The world is that of package dockertest. It records what really happened, so that checkers can
// compare the run with the invariants of docs/how-it-works.md.
//
// A plan alternates between bursts of faults and quiet periods. In a quiet period no faults are injected, and all faults that Stoker cannot
// repair are cleared. At its end every worker must be in order.
//
//	go test ./sidecar/internal/test/simulation                                the short run, and the plans of all fixed bugs
//	go test ./sidecar/internal/test/simulation -run Sim -args -seed=7 -trace  one seed, with its trace
//	go test ./sidecar/internal/test/simulation -run Sim -args -seed=7 -shrink=name -why='...'
//	                                                                          the fewest faults that still fail, written to testdata
//	make sim                                                                  a long run on all cores: SEEDS=5000 FIRST=1 HOURS=0.5
//
// Checkers excuse a deviation that no Stoker could avoid: after events or the journal were lost, after a stop during which the clock stepped, or
// after an operator's signal while a stop of Stoker's own had no answer. Each excuse is a function whose comment gives its reason.
package simulation
