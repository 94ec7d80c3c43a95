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

// PausesName is the file of the pauses in the state directory. It is text, which a person may edit while Stoker is down.
const PausesName = "pauses.json"

// LoadPauses reads the pauses that the last Stoker has left and that are in force now. Without the file there are none. Its error says what
// to do.
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
		return nil, fmt.Errorf("read the pauses, nobody is paused: %w; mend %s, or pause again", err, path)
	}
	return slices.DeleteFunc(pauses, func(p fleet.Pause) bool { return !p.Until.After(now) }), nil
}

// SavePauses keeps the pauses for the next Stoker. They are on the disk when it returns nil.
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
