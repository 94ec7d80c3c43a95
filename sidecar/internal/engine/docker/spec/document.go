package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// document is an inspect in the form that is compared.
type document struct {
	typed *container.InspectResponse // as it was read
	tree  map[string]any             // in normal form
	names namesByID
}

func readDocument(raw []byte, names map[string]string) (*document, error) {
	typed, err := decode(raw)
	if err != nil {
		return nil, err
	}
	d := &document{typed: typed, names: names}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&d.tree); err != nil {
		return nil, fmt.Errorf("read the inspect of a container: %w", err)
	}
	if d.object("Config") == nil || d.object("HostConfig") == nil { // the decoder of the types ignores case, this one does not
		return nil, errors.New("read the inspect of a container: its configuration does not have the engine's field names")
	}
	for _, f := range normalForms() {
		f.apply(d)
	}
	return d, nil
}

// normalForm is a change to both trees after which fields with the same meaning have the same value.
type normalForm struct {
	fields []string
	why    string
	apply  func(*document)
}

func normalForms() []normalForm {
	const references = "other containers by name, not by ID, as names has them"
	return []normalForm{
		{[]string{"Config.Hostname", "Config.Domainname"}, "the short ID where none was given; the parent's in its network", (*document).hostname},
		{[]string{"Config.Env"}, "Podman adds the short ID as HOSTNAME, and the order is its own, another for each container", (*document).environment},
		{[]string{"Config.Labels"}, "marks of a transaction (" + MarkPrefix + "…) are not the worker's", (*document).marks},
		{[]string{"HostConfig.NetworkMode", "HostConfig.PidMode", "HostConfig.IpcMode"}, references, (*document).references},
		{[]string{"HostConfig.VolumesFrom"}, references, (*document).volumesFrom},
		{[]string{"HostConfig.Links"}, "without the path, which begins with the container's own name", (*document).links},
		{[]string{"HostConfig.NetworkMode"}, "networks by name, not by ID; default is bridge", (*document).networkMode},
		{[]string{"HostConfig.IpcMode", "HostConfig.CgroupnsMode"}, "not set is shareable and host, on engines that know these modes", (*document).namespaces},
		{[]string{"HostConfig.Binds", "HostConfig.Mounts"}, "anonymous volumes are named; the order means nothing", (*document).mountRequests},
		{[]string{"HostConfig.SecurityOpt"}, "labels derived from the container whose ipc or pid namespace is shared", (*document).securityOptions},
		{[]string{"HostConfig.CapAdd", "HostConfig.CapDrop"}, "with or without CAP_, in any case and order", (*document).capabilities},
		{[]string{"HostConfig.Ulimits"}, "the engine adds its own defaults in any order", (*document).ulimits},
		{[]string{"HostConfig.CpuPeriod", "HostConfig.CpuQuota"}, "not where NanoCpus, which is compared, says the quota", (*document).quota},
		{[]string{"HostConfig.PidsLimit", "HostConfig.MemorySwappiness", "HostConfig.OomKillDisable"}, "0 and -1, -1, and false are not set", (*document).limits},
		{[]string{"HostConfig.Annotations"}, "without those in which Podman notes PidsLimit, CpusetCpus and CpusetMems, which are compared, in the same words", (*document).annotations},
		{[]string{"HostConfig.RestartPolicy.Name"}, "not set is no", (*document).restartPolicy},
		{[]string{"Mounts"}, "listed in any order; a volume's mode z is what the engine makes of none; one without a name by the place where it lies", (*document).mounts},
		{[]string{"NetworkSettings.Networks"}, "in another's network it has none of its own: Podman shows the parent's", (*document).parentsNetworks},
		{[]string{"NetworkSettings.Networks.*.Aliases", "NetworkSettings.Networks.*.Links"}, "the short ID among the aliases; " + references, (*document).endpoints},
	}
}

// object returns the object at a path, or nil.
func (d *document) object(path ...string) map[string]any {
	at := d.tree
	for _, key := range path {
		next, ok := at[key].(map[string]any)
		if !ok {
			return nil
		}
		at = next
	}
	return at
}

func (d *document) hostname() {
	conf, host := d.object("Config"), d.typed.HostConfig
	if conf["Hostname"] == shortID(d.typed.ID) || host.NetworkMode.IsContainer() || host.UTSMode.IsHost() {
		conf["Hostname"] = ""
	}
	if host.NetworkMode.IsContainer() {
		conf["Domainname"] = ""
	}
}

// environment sorts the environment on Podman, which is recognized by the variables that it adds to each container.
func (d *document) environment() {
	conf := d.object("Config")
	env, _ := conf["Env"].([]any)
	conf["Env"] = slices.DeleteFunc(env, func(entry any) bool { return entry == "HOSTNAME="+shortID(d.typed.ID) })
	if slices.Contains(env, any("container=podman")) {
		sortedTexts(conf, "Env", func(text string) string { return text })
	}
}

func (d *document) marks() {
	labels := d.object("Config", "Labels")
	for key := range labels {
		if strings.HasPrefix(key, MarkPrefix) {
			delete(labels, key)
		}
	}
}

func (d *document) references() {
	host := d.object("HostConfig")
	for _, key := range []string{"NetworkMode", "PidMode", "IpcMode"} {
		text, _ := host[key].(string)
		if ref, ok := strings.CutPrefix(text, "container:"); ok {
			if name, known := d.names.name(ref); known {
				host[key] = "container:" + name
			}
		}
	}
}

func (d *document) networkMode() {
	mode := d.typed.HostConfig.NetworkMode
	if mode.IsContainer() {
		return
	}
	if settings := d.typed.NetworkSettings; settings != nil {
		mode = namedMode(mode, settings.Networks)
	}
	d.object("HostConfig")["NetworkMode"] = primaryNetwork(mode)
}

func (d *document) namespaces() {
	fill(d.object("HostConfig"), "IpcMode", "shareable")
	fill(d.object("HostConfig"), "CgroupnsMode", "host")
}

func fill(object map[string]any, key, value string) {
	if isNothing(object[key]) {
		object[key] = value
	}
}

func (d *document) volumesFrom() {
	list, _ := d.object("HostConfig")["VolumesFrom"].([]any)
	for i, entry := range list {
		text, _ := entry.(string)
		ref, suffix := cutMode(text)
		if name, known := d.names.name(ref); known {
			list[i] = name + suffix
		}
	}
}

func (d *document) links() {
	sortedTexts(d.object("HostConfig"), "Links", d.names.link)
}

func (d *document) capabilities() {
	bare := func(text string) string { return strings.TrimPrefix(strings.ToUpper(text), "CAP_") }
	sortedTexts(d.object("HostConfig"), "CapAdd", bare)
	sortedTexts(d.object("HostConfig"), "CapDrop", bare)
}

func (d *document) securityOptions() {
	kept := withoutParentLabels(d.typed.HostConfig)
	if len(kept) == len(d.typed.HostConfig.SecurityOpt) {
		return
	}
	list := make([]any, 0, len(kept))
	for _, option := range kept {
		list = append(list, option)
	}
	d.object("HostConfig")["SecurityOpt"] = list
}

func (d *document) ulimits() { keyed(d.object("HostConfig"), "Ulimits", "Name") }

// quota drops the pair only if it is equal to NanoCpus: Podman computes one from the other.
func (d *document) quota() {
	const kernelPeriod = 100_000 // microseconds
	r := d.typed.HostConfig.Resources
	period := r.CPUPeriod
	if period == 0 {
		period = kernelPeriod
	}
	if r.NanoCPUs > 0 && r.CPUQuota > 0 && float64(r.CPUQuota)/float64(period) == float64(r.NanoCPUs)/1e9 {
		delete(d.object("HostConfig"), "CpuPeriod")
		delete(d.object("HostConfig"), "CpuQuota")
	}
}

func (d *document) limits() {
	host := d.object("HostConfig")
	if limit := d.typed.HostConfig.PidsLimit; limit != nil && *limit <= 0 {
		delete(host, "PidsLimit")
	}
	if s := d.typed.HostConfig.MemorySwappiness; s != nil && *s == -1 {
		delete(host, "MemorySwappiness")
	}
	if host["OomKillDisable"] == false {
		delete(host, "OomKillDisable")
	}
}

func (d *document) annotations() {
	host, notes := d.typed.HostConfig, d.object("HostConfig", "Annotations")
	limits := map[string]string{podmanCpuset: host.CpusetCpus, podmanMemoryNodes: host.CpusetMems}
	if host.PidsLimit != nil {
		limits[podmanPidsLimit] = strconv.FormatInt(*host.PidsLimit, 10)
	}
	for key, limit := range limits {
		if notes[key] == limit {
			delete(notes, key)
		}
	}
}

func (d *document) restartPolicy() {
	if policy := d.object("HostConfig", "RestartPolicy"); policy != nil {
		fill(policy, "Name", "no")
	}
}

func (d *document) parentsNetworks() {
	if settings := d.object("NetworkSettings"); settings != nil && d.typed.HostConfig.NetworkMode.IsContainer() {
		delete(settings, "Networks")
	}
}

func (d *document) endpoints() {
	networks := d.object("NetworkSettings", "Networks")
	own := shortID(d.typed.ID)
	for name := range networks {
		ep := d.object("NetworkSettings", "Networks", name)
		if ep == nil {
			continue
		}
		sortedTexts(ep, "Links", d.names.link)
		if list, ok := ep["Aliases"].([]any); ok {
			ep["Aliases"] = slices.DeleteFunc(list, func(alias any) bool { return alias == own || alias == "" })
		}
		sortedTexts(ep, "Aliases", func(text string) string { return text })
	}
}
