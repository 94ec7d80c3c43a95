package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"stoker/sidecar/internal/core/fleet"
)

// PausesName is the file of the pauses in the state directory. It is text, which an operator may edit while Stoker is down.
const PausesName = "pauses.json"

// LoadPauses reads the pauses of the last Stoker that are still in force. Without the file there are none. Its error includes what to do.
func LoadPauses(stateDir string, now time.Time) ([]fleet.Pause, error) {
	path := filepath.Join(stateDir, PausesName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var pauses []fleet.Pause
	if err == nil {
		err = json.Unmarshal(text, &pauses)
	}
	if err != nil {
		return nil, fmt.Errorf("read the pauses, no worker is paused: %w; fix %s, or pause again", err, path)
	}
	return slices.DeleteFunc(pauses, func(p fleet.Pause) bool { return !p.Until.After(now) }), nil
}

// SavePauses stores the pauses for the next Stoker. They are on the disk when it returns nil.
func SavePauses(stateDir string, pauses []fleet.Pause) error {
	text, err := json.MarshalIndent(pauses, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(stateDir, PausesName), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("it is in force, and will not survive a restart of Stoker: %w", err)
	}
	return nil
}
