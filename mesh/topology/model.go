package topology

import "github.com/lockstep-mesh/lockstep/mesh/mask"

// file is mesh.yaml. Its types are the one description of the format: the
// parser takes its keys from their tags, and so do the editor's schema and
// the words of its problems.
type file struct {
	Environments []Environment `yaml:"environments" require:"true" doc:"The environments by name, each a NATS server with its own JetStream domain of that name. Exactly one is the hub; the others are its leaves."`
	Domains      []Domain      `yaml:"domains" require:"true" doc:"The business domains by name. A domain's name is the first token of its events' subjects."`
	Routes       []Route       `yaml:"routes" doc:"What is carried from where to where, and how it is masked on the way. What no route carries stays where it is."`
	Policies     []Policy      `yaml:"policies" doc:"The masking policies by name. Routes refer to them."`
}

// Environment is a NATS server with a JetStream domain of the same name.
type Environment struct {
	Name       string     `yaml:"-" key:"environment" doc:"Lower case letters, digits and hyphens." twice:"its settings would be open to choice"`
	Role       Role       `yaml:"role" require:"true" doc:"hub: the environment that the others dial, and that holds the registry's primary. leaf: dials its hub."`
	Hub        string     `yaml:"hub" doc:"The hub that a leaf belongs to." example:"production"`
	Dial       string     `yaml:"dial" doc:"The URL at which a leaf dials its hub. Left out: the hub's leaf address. Credentials are not part of it." example:"nats://hub.example.com:7422"`
	Listen     Listen     `yaml:"listen" require:"true" doc:"The addresses that the environment listens on."`
	Store      Store      `yaml:"store" doc:"What JetStream may store."`
	Durability Durability `yaml:"durability" doc:"always: an event is on disk before it is acknowledged. interval: NATS's default, which may lose the last two minutes of acknowledged events in a power cut. Left out: what the command says (serve: always, dev and demo: interval)."`
	MaskKey    KeySource  `yaml:"mask-key" doc:"Where the root key comes from under which events are masked: file:PATH (relative to the environment's folder in the data directory), env:NAME, or command:PROGRAM ARGUMENTS, which prints it as a client of a KMS or of Vault does, within 15 seconds. No credential belongs in the arguments. Left out: file:keys/mask.key, which the first start makes. A leaf without routes needs none." example:"command:/usr/local/bin/mask-key production"`
}

// Listen holds an environment's addresses. A service whose address is zero is
// not served.
type Listen struct {
	NATS     Address `yaml:"nats" require:"true" doc:"For applications: any NATS client." example:"127.0.0.1:4222"`
	Leaf     Address `yaml:"leaf" doc:"For leaves; of the hub only." example:"127.0.0.1:7422"`
	Registry Address `yaml:"registry" doc:"The schema registry's HTTP API; a read-only replica on a leaf. Left out: not served." example:"127.0.0.1:8081"`
	HTTP     Address `yaml:"http" doc:"The console and the native HTTP API, with /metrics, /healthz and /readyz. Left out: not served." example:"127.0.0.1:8080"`
}

// Store limits what an environment's JetStream may store.
type Store struct {
	Limit Size `yaml:"limit" doc:"The size that all of the environment's streams may reach together; a full store refuses events. Left out: NATS's own limit, three quarters of the free disk space." example:"10GiB"`
}

// Domain is a business domain that owns its events.
type Domain struct {
	Name     string         `yaml:"-" key:"domain" doc:"Lower case letters, digits and hyphens. The first token of the domain's subjects; its stream has the name in upper case." twice:"a domain has one owner"`
	Owner    string         `yaml:"owner" require:"true" single:"a domain has one owner" doc:"The one team that answers for the domain's events." example:"team-orders"`
	Origins  []string       `yaml:"origins" require:"true" doc:"The environments in which the domain's events are published; a route may begin in these only." example:"[production]"`
	Schemas  string         `yaml:"schemas" doc:"The folder of the domain's schemas, relative to this file: <entity>/<action>.schema.json. Left out: they are pushed with lockstep schema push." example:"orders"`
	Write    WriteMode      `yaml:"write" doc:"closed (the default): the gate refuses fields that a schema neither declares nor explicitly allows. open: it lets them in, and compatibility becomes the strict one of JSON Schema."`
	Classify Classification `yaml:"classify" doc:"optional (the default): a schema may leave fields without a masking class; on a route, the policy's defaults decide about them. required: the registry refuses a new version of an event's schema that leaves one out, and so does lockstep schema check."`
	Overlay  string         `yaml:"overlay" doc:"The file, relative to this one, that gives the fields of schemas one does not own their masking classes." example:"github/overlay.yaml"`
}

// Route carries events of some domains from one of their origins to another
// environment, masked under a policy.
type Route struct {
	From    string   `yaml:"from" require:"true" doc:"The environment the events come from: an origin of each of the domains." example:"production"`
	To      string   `yaml:"to" require:"true" doc:"The environment the events go to: the hub from one of its leaves, or a leaf from its hub." example:"staging"`
	Domains []string `yaml:"domains" require:"true" doc:"The domains whose events are carried." example:"[orders, customers]"`
	Policy  string   `yaml:"policy" require:"true" doc:"The masking policy that the events cross under." example:"testers"`
	Mode    Mode     `yaml:"mode" doc:"realtime (the default): each event as soon as it is stored. batch: every so often. canary: a share of the keys."`
	Batch   Batch    `yaml:"batch" doc:"Of mode batch."`
	Canary  Canary   `yaml:"canary" doc:"Of mode canary."`
}

// String is FROM→TO.
func (r Route) String() string { return r.From + "→" + r.To }

// Batch says how often a route of mode batch carries.
type Batch struct {
	Every Duration `yaml:"every" require:"true" doc:"The time from the beginning of one batch to the beginning of the next." example:"15m"`
}

// Canary says how much a route of mode canary carries.
type Canary struct {
	Share Share `yaml:"share" require:"true" doc:"The part of the keys whose events are carried, the same keys in all domains." example:"5%"`
}

// Policy is a masking policy by name.
type Policy struct {
	Name        string `yaml:"-" key:"policy" doc:"Lower case letters, digits and hyphens." twice:"a route under it could not tell which one holds"`
	mask.Policy `yaml:",inline"`
}

// Role is an environment's place among the others.
type Role string

// The roles.
const (
	RoleHub  Role = "hub"
	RoleLeaf Role = "leaf"
)

// Choices lists the roles.
func (Role) Choices() []string { return []string{string(RoleHub), string(RoleLeaf)} }

// Durability is when a publish is acknowledged.
type Durability string

// The durabilities. An environment may have none: see Environment.DurabilityOr.
const (
	DurabilityAlways   Durability = "always"
	DurabilityInterval Durability = "interval"
)

// Choices lists the durabilities.
func (Durability) Choices() []string {
	return []string{string(DurabilityAlways), string(DurabilityInterval)}
}

// DurabilityOr is the environment's durability, or the command's own where
// mesh.yaml says nothing.
func (e Environment) DurabilityOr(command Durability) Durability {
	if e.Durability == "" {
		return command
	}
	return e.Durability
}

// Classification is whether every field of a domain's events must have a masking
// class.
type Classification string

// The classifications.
const (
	ClassifyOptional Classification = "optional"
	ClassifyRequired Classification = "required"
)

// Choices lists the classifications.
func (Classification) Choices() []string {
	return []string{string(ClassifyOptional), string(ClassifyRequired)}
}

// WriteMode is what the gate does with fields that a schema is silent about.
type WriteMode string

// The write modes.
const (
	WriteClosed WriteMode = "closed"
	WriteOpen   WriteMode = "open"
)

// Choices lists the write modes.
func (WriteMode) Choices() []string { return []string{string(WriteClosed), string(WriteOpen)} }

// Mode is when a route carries.
type Mode string

// The modes.
const (
	ModeRealtime Mode = "realtime"
	ModeBatch    Mode = "batch"
	ModeCanary   Mode = "canary"
)

// Choices lists the modes.
func (Mode) Choices() []string {
	return []string{string(ModeRealtime), string(ModeBatch), string(ModeCanary)}
}
