package main

// evidence returns the mutants of evidence and of the command before a stop.
func evidence() []named {
	return []named{
		{
			name: "evidence: the restart of an exited worker waits for the collection", file: "core/fleet/timeout.go", pkg: "core/fleet", run: "Collecting",
			old: `			fl.done = now.Add(-answerTimeout)`, new: `			fl.done = now`,
		},
		{
			name: "evidence: the next Stoker runs the command before a stop again", file: "core/worker/collect.go", pkg: "core/worker",
			old: `if len(p.BeforeStop) > 0 && !h.BeforeStop {`, new: `if len(p.BeforeStop) > 0 {`,
		},
		{
			name: "evidence: an exit caused by the command before the stop counts as a crash", file: "core/worker/exit.go", pkg: "core/worker",
			old: `case m.stopSent(), m.stopBegun():`, new: `case m.stopSent():`,
		},
		{
			name: "evidence: a command that hangs has no timeout", file: "engine/docker/evidencecommand.go", pkg: "engine/docker", run: "TestCommands",
			old: `limited, cancel := context.WithTimeout(ctx, limit)`, new: `limited, cancel := context.WithTimeout(ctx, limit+time.Hour)`,
		},
		{
			name: "evidence: the arguments of processes are recorded", file: "engine/docker/evidence.go", pkg: "engine/docker", run: "TestProcesses",
			old: `psColumns     = "pid,ppid,stat,etime,time,comm"`, new: `psColumns     = "pid,ppid,stat,etime,time,args"`,
		},
	}
}
