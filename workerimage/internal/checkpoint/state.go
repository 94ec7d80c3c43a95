// Package checkpoint stores a worker's finished work across its death.
//
// The set of chunks done and the result that they add up to are one value in one file, and the file is replaced in one
// step. So a worker killed at any instant finds, at its next start, a result that counts exactly the chunks that the
// file calls done: none is missing from it and none is in it twice. Chunks finished since the last save are neither
// done nor counted; they are computed again.
package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"stoker/workerimage/internal/task"
)

const version = 1

// State is what a worker has done.
type State struct {
	Task  string       `json:"task"`            // task.Task.ID of the work that this is a state of
	Round uint64       `json:"round"`           // the current round, counted from 1
	Next  uint64       `json:"next"`            // chunks below this one are done
	Ahead []uint64     `json:"ahead,omitempty"` // chunks done at or above Next, in rising order
	Sum   task.Partial `json:"sum"`             // the chunks done in this round, added up
	Last  *Round       `json:"last,omitempty"`  // the round before
}

// Round is a finished round.
type Round struct {
	Number uint64       `json:"number"`
	Chunks uint64       `json:"chunks"` // the number of chunks in Sum
	Sum    task.Partial `json:"sum"`
}

// Done returns the number of chunks of the current round that are done.
func (s State) Done() uint64 { return s.Next + uint64(len(s.Ahead)) }

type envelope struct {
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"` // of the bytes of State
	State   json.RawMessage `json:"state"`
}

func encode(state State) ([]byte, error) {
	body, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(envelope{Version: version, SHA256: digest(body), State: body})
	return append(text, '\n'), err
}

func decode(text []byte) (State, error) {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return State{}, fmt.Errorf("not a checkpoint: %w", err)
	}
	if e.Version != version {
		return State{}, fmt.Errorf("version %d, this worker reads version %d", e.Version, version)
	}
	if digest(e.State) != e.SHA256 {
		return State{}, fmt.Errorf("the checksum does not match the content")
	}
	var state State
	if err := json.Unmarshal(e.State, &state); err != nil {
		return State{}, fmt.Errorf("not a state: %w", err)
	}
	return state, state.check()
}

// check refuses a state that no worker can have written; with a valid checksum it was edited by hand.
func (s State) check() error {
	if s.Round == 0 {
		return fmt.Errorf("round 0: rounds are counted from 1")
	}
	low := s.Next
	for _, chunk := range s.Ahead {
		if chunk < low || chunk == math.MaxUint64 { // no round has that one
			return fmt.Errorf("chunk %d is named twice or out of order", chunk)
		}
		low = chunk + 1
	}
	return nil
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
