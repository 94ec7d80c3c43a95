package dockertest

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// simCall bounds one call of a recreate step, as in the Docker package.
const simCall = 30 * time.Second

// see inspects a container by name or ID; nil when there is none.
func (e *actionRunner) see(ref string) (*Details, error) {
	r := e.ask(Request{Op: OpInspect, Ref: ref}, simCall)
	switch {
	case r.Err == nil:
		return &r.Details, nil
	case r.Err.Status == http.StatusNotFound:
		return nil, nil
	}
	return nil, r.Err
}

// noAnswer reports whether the engine did not answer at all.
func noAnswer(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == 0
}

// unfit is the refusal of a recreate that would not be faithful.
type unfit struct{ why string }

func (u unfit) Error() string { return u.why }

// recreateStep is worker.RecreateStep.
func (e *actionRunner) recreateStep() {
	out := worker.Outcome{Result: worker.Done, Answer: worker.Answer{Report: &worker.StepReport{}}}
	if e.action.Call.Do == worker.CallCollect {
		if d, err := e.see(e.action.Call.ID); err == nil && d != nil && d.Status() == worker.StatusRunning {
			out.Report.Sent = len(e.action.Evidence.Command) > 0
			out.Evidence = e.gather(d)
		}
	} else {
		e.sort(&out, e.call(out.Report))
	}
	e.observe(&out)
	e.finish(out)
}

// sort puts the end of the call into the words of an outcome.
func (e *actionRunner) sort(out *worker.Outcome, err error) {
	var refused unfit
	var failed *Error
	switch {
	case err == nil:
		return
	case errors.As(err, &refused):
		out.CannotRecreate = true
	case errors.As(err, &failed):
		out.Unreachable = failed.Status == 0
		out.Report.NameTaken = e.action.Call.Do == worker.CallCreate && failed.Status == http.StatusConflict
	}
	out.Result, out.Err = worker.Failed, err.Error()
	if out.Report.Sent && out.Unreachable && !failed.Unsent {
		out.Result, out.Unreachable = worker.Unknown, false
	}
}

func (e *actionRunner) observe(out *worker.Outcome) {
	seen := map[string]worker.Snapshot{}
	for _, ref := range e.action.Call.Observe {
		d, err := e.see(ref)
		if err != nil {
			if e.action.Call.Do == worker.CallInspect {
				out.Result, out.Err, out.Unreachable = worker.Failed, err.Error(), noAnswer(err)
			}
			return
		}
		if d != nil {
			seen[ref] = d.Snapshot()
		}
	}
	out.Report.Seen = seen
}

// call sends the one request of a step.
func (e *actionRunner) call(report *worker.StepReport) error {
	call := e.action.Call
	req, patience := Request{Ref: call.ID, NewName: string(call.Name)}, simCall
	switch call.Do {
	case worker.CallInspect, worker.CallConnect, worker.CallCopy, worker.CallCollect:
		return nil
	case worker.CallCompare:
		return e.compare()
	case worker.CallCreate:
		spec, err := e.replacement()
		if err != nil {
			return err
		}
		report.Plan = &worker.Plan{}
		req.Op, req.Spec = OpCreate, spec
	case worker.CallStop:
		req.Op, req.Grace = OpStop, e.action.Grace
		if req.Grace < 0 {
			req.Grace = OwnGrace
		}
		patience += max(e.action.Grace, 20*time.Second)
	case worker.CallStart:
		req.Op = OpStart
	case worker.CallRename:
		req.Op = OpRename
	case worker.CallRemove:
		req.Op = OpRemove
	}
	report.Sent = true
	r := e.ask(req, patience)
	report.NewID = r.ID
	if r.Err != nil && r.Err.Status != http.StatusNotModified {
		return r.Err
	}
	return nil
}

// replacement is what the new container is made from: the old one's spec, with other containers by name, and with the marks.
func (e *actionRunner) replacement() (Spec, error) {
	call := e.action.Call
	c := e.s.w.everFind(call.OldID)
	if c == nil {
		return Spec{}, unfit{"there was never such a container"}
	}
	old := c.details()
	if old.Spec.Unfit != "" || !c.gone && (old.Dead || old.Removing) {
		return Spec{}, unfit{"it cannot be recreated: " + old.Spec.Unfit}
	}
	spec := old.Spec
	spec.Name, spec.Labels = string(call.Name), maps.Clone(spec.Labels)
	maps.DeleteFunc(spec.Labels, func(key, _ string) bool { return strings.HasPrefix(key, worker.MarkPrefix) })
	maps.Copy(spec.Labels, call.Marks)
	if call.Like != nil {
		spec.Networks = networksIn(call.Like)
	}
	if len(spec.Networks) == 0 && spec.NetworkMode == "" && call.Like != nil {
		return spec, unfit{"it was disconnected from all networks"}
	}
	spec.Labels[worker.MarkNetworks] = decimal(len(spec.networks()))
	for _, mode := range spec.modes() {
		ref, ok := strings.CutPrefix(*mode, containerMode)
		if !ok {
			continue
		}
		name, err := e.nameOf(ref)
		if err != nil {
			return spec, err
		}
		parent, err := e.see(name)
		if err != nil {
			return spec, err
		}
		if name == "" || parent == nil {
			return spec, unfit{"container " + ref + ", whose namespaces it shares, is gone"}
		}
		*mode = containerMode + name
	}
	return spec, nil
}

// nameOf is the name of a container by an ID that it has or had.
func (e *actionRunner) nameOf(ref string) (string, error) {
	if name, ok := e.action.Names[ref]; ok {
		return string(name), nil
	}
	d, err := e.see(ref)
	if err != nil || d == nil {
		return "", err
	}
	return d.Name, nil
}

// listDependents is worker.ListDependents.
func (e *actionRunner) listDependents() {
	r := e.ask(Request{Op: OpList}, simCall)
	if r.Err != nil {
		e.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: r.Err.Message, Unreachable: r.Err.Status == 0}})
		return
	}
	out := worker.Outcome{Result: worker.Done}
	slices.Reverse(r.List) // oldest first
	for _, d := range r.List {
		out.Dependents = append(out.Dependents, worker.Dependent{
			Key: worker.Key(d.Name), ID: d.ID, Labels: d.Spec.Labels, Parents: d.Spec.parents(), PIDParent: d.Spec.pidParent(),
		})
	}
	e.finish(out)
}

// restartPatience is longer than any container's grace here.
const restartPatience = 2 * time.Minute

// restartDependent is worker.RestartDependent.
func (e *actionRunner) restartDependent() {
	req := Request{Op: OpRestart, Ref: e.action.Incarnation.ID, Grace: OwnGrace}
	if e.action.Down {
		req.Op = OpStart
	}
	r := e.ask(req, restartPatience)
	if r.Err != nil && r.Err.Status == http.StatusNotModified { // another client was quicker
		r.Err = nil
	}
	e.conclude(r)
}

// conclude is the end after a request that changes something.
func (e *actionRunner) conclude(r Reply) {
	out := worker.Outcome{Result: worker.Done}
	switch {
	case r.Err == nil:
	case r.Err.Status == 0 && !r.Err.Unsent:
		e.finish(worker.Outcome{Result: worker.Unknown, Failure: worker.Failure{Err: r.Err.Message}})
		return
	default:
		out.Result, out.Err, out.Unreachable = worker.Failed, r.Err.Message, r.Err.Status == 0
	}
	d, err := e.see(e.action.Incarnation.ID)
	switch {
	case err != nil && r.Err == nil:
		out.Result, out.Err = worker.Unknown, err.Error()
	case err == nil && d == nil:
		out.Result, out.Missing = worker.Failed, true
	case err == nil:
		s := d.Snapshot()
		out.Snapshot = &s
	}
	e.finish(out)
}
