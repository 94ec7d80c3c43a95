package worker

import "strings"

// During a recreate a worker is up to two containers. Their names and the labels of the new one are the record that survives the
// loss of everything else (docs/recreate.md).
const (
	NewSuffix    = ".stoker-new" // of the new container, until the old one has freed the name
	BackupSuffix = ".stoker-old" // of the old one from then on

	MarkPrefix   = "stoker-recreate." // of every label of a transaction; the labels stay for good
	MarkOf       = MarkPrefix + "of"  // ID of the container that it replaces
	MarkName     = MarkPrefix + "name"
	MarkBy       = MarkPrefix + "by"       // which Stoker
	MarkAttempt  = MarkPrefix + "attempt"  // different in each transaction
	MarkMissing  = MarkPrefix + "missing"  // the old container was gone before
	MarkNetworks = MarkPrefix + "networks" // how many it is to be connected to
)

// ReplacementOf reports, by its labels, which container this one replaces: the worker's name and the ID of the old container. It
// is false for a worker that was never recreated.
func ReplacementOf(labels map[string]string) (key Key, of string, ok bool) {
	key, of = Key(labels[MarkName]), labels[MarkOf]
	return key, of, key != "" && of != ""
}

// IsTemporaryName reports whether a container with these labels, under this name, is the new one of an unfinished transaction.
func (k Key) IsTemporaryName(labels map[string]string) bool {
	name, _, ok := ReplacementOf(labels)
	return ok && k == name+NewSuffix
}

// IsBackupName reports whether a name is one that a transaction gave to the old container.
func (k Key) IsBackupName() bool { return strings.HasSuffix(string(k), BackupSuffix) }
