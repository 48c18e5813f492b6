package bundle

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/xml"
	"io"
	"strings"
	"unicode/utf8"
)

// The externalized parameters of a bundle that [Write] makes with a sender.
const (
	AddressParameter = "Sender_Address"
	RoleParameter    = "Sender_Role"
)

// Spec is what a bundle is made of.
type Spec struct {
	ID, Name, Version, Description string
	// Type is that of the manifest: [Flow], [Mapping], [Scripts] or
	// [ValueMapping]. Each has content that can be built.
	Type string
	// Sender is the channel the flow begins with; nil: a timer.
	Sender *Sender
}

// Flow is the type of a bundle that holds an integration flow.
const Flow = "IntegrationFlow"

// Write makes a bundle: the same bytes for the same spec. Its sender's address
// and role are externalized parameters.
func Write(s Spec) []byte {
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	add := func(name, content string) {
		// A buffer takes everything, and the names are no longer than a zip allows.
		if w, err := archive.Create(name); err == nil {
			_, _ = io.WriteString(w, content)
		}
	}
	add(manifestPath, manifest(s))
	add(".project", fill(project, s))
	add(metaInfoPath, "description="+escapeProperty(s.Description)+"\n")
	switch s.Type {
	case Mapping:
		add(resourcesPath+"mapping/"+s.ID+".mmap", emptyMapping)
	case Scripts:
		add(resourcesPath+"script/script1.groovy", emptyScript)
	case ValueMapping:
		add(valuesFile, emptyValues)
	case Flow:
		add(parametersPath, parameterValues(s))
		add(definitionsPath, parameterDefinitions(s))
		add(modelPath+s.ID+".iflw", modelOf(s))
	}
	_ = archive.Close() // to a buffer
	return b.Bytes()
}

func manifest(s Spec) string {
	var b strings.Builder
	for _, a := range [][2]string{
		{"Manifest-Version", "1.0"}, {"Bundle-ManifestVersion", "2"}, {"Bundle-Name", cmp.Or(s.Name, s.ID)},
		{"Bundle-SymbolicName", s.ID + "; singleton:=true"}, {"Bundle-Version", cmp.Or(s.Version, DefaultVersion)},
		{"Origin-Bundle-Name", cmp.Or(s.Name, s.ID)}, {"Origin-Bundle-SymbolicName", s.ID}, {"Origin-Bundle-Version", cmp.Or(s.Version, DefaultVersion)},
		{"SAP-BundleType", s.Type}, {"SAP-NodeType", "IFLMAP"}, {"SAP-RuntimeProfile", "iflmap"},
	} {
		b.WriteString(folded(a[0] + ": " + strings.NewReplacer("\r", " ", "\n", " ").Replace(a[1])))
	}
	return b.String() + "\n"
}

// maxLine is how many bytes a line of a manifest may have (JAR File
// Specification).
const maxLine = 72

// folded breaks a line where it is too long, between characters.
func folded(line string) string {
	var b strings.Builder
	for room := maxLine; len(line) > room; room = maxLine - 1 {
		at := room
		for at > 1 && !utf8.RuneStart(line[at]) {
			at--
		}
		b.WriteString(line[:at] + "\n ")
		line = line[at:]
	}
	return b.String() + line + "\n"
}

func parameterValues(s Spec) string {
	if s.Sender == nil {
		return ""
	}
	return AddressParameter + "=" + escapeProperty(s.Sender.Address) + "\n" + RoleParameter + "=" + escapeProperty(s.Sender.Role) + "\n"
}

func parameterDefinitions(s Spec) string {
	const head, tail = `<?xml version="1.0" encoding="UTF-8" standalone="no"?><parameters>`, "<param_references/></parameters>\n"
	if s.Sender == nil {
		return head + tail
	}
	definition := func(name string) string {
		return `<parameter><key/><name>` + name + `</name><type>` + defaultType + `</type><isRequired>true</isRequired><constraint/><description/><additionalMetadata/></parameter>`
	}
	return head + definition(AddressParameter) + definition(RoleParameter) + tail
}

func modelOf(s Spec) string {
	channel, from := "", timer
	if s.Sender != nil {
		from = message
		switch s.Sender.Protocol {
		case SOAP:
			channel = soapChannel
		default:
			channel = httpsChannel
		}
		channel = strings.NewReplacer("%ADDRESS%", "{{"+AddressParameter+"}}", "%ROLE%", "{{"+RoleParameter+"}}", "%CSRF%", escape(cmp.Or(s.Sender.CSRF, "0"))).Replace(channel)
	}
	return strings.NewReplacer("%ID%", escape(s.ID), "%NAME%", escape(cmp.Or(s.Name, s.ID)), "%CHANNEL%", channel, "%EVENT%", from).Replace(model)
}

func fill(pattern string, s Spec) string {
	return strings.NewReplacer("%ID%", escape(s.ID)).Replace(pattern)
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

// What an artifact begins with that was created without content.
const (
	emptyMapping = `<?xml version="1.0" encoding="UTF-8"?><map/>` + "\n"
	emptyScript  = "import com.sap.gateway.ip.core.customdev.util.Message\n\ndef Message processData(Message message) {\n    return message\n}\n"
	emptyValues  = `<?xml version="1.0" encoding="UTF-8"?><vm version="2.0"/>` + "\n"
)

const project = `<?xml version="1.0" encoding="UTF-8"?><projectDescription><name>%ID%</name><comment/><projects/><buildSpec><buildCommand><name>org.eclipse.jdt.core.javabuilder</name><arguments/></buildCommand></buildSpec><natures><nature>org.eclipse.jdt.core.javanature</nature><nature>com.sap.ide.ifl.project.support.project.nature</nature><nature>com.sap.ide.ifl.bsn</nature></natures></projectDescription>
`

// The events a process may begin with.
const (
	message = `<bpmn2:messageEventDefinition/>`
	timer   = `<bpmn2:timerEventDefinition id="TimerEventDefinition_1"/>`
)

// model is an integration flow without a step: from its start to its end.
const model = `<?xml version="1.0" encoding="UTF-8"?>
<bpmn2:definitions xmlns:bpmn2="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:ifl="http:///com.sap.ifl.model/Ifl.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="Definitions_1">
  <bpmn2:collaboration id="Collaboration_1" name="Default Collaboration">
    <bpmn2:participant id="Participant_1" ifl:type="EndpointSender" name="Sender">
      <bpmn2:extensionElements>
        <ifl:property><key>enableBasicAuthentication</key><value>false</value></ifl:property>
        <ifl:property><key>ifl:type</key><value>EndpointSender</value></ifl:property>
      </bpmn2:extensionElements>
    </bpmn2:participant>
    <bpmn2:participant id="Participant_Process_1" ifl:type="IntegrationProcess" name="Integration Process" processRef="Process_1">
      <bpmn2:extensionElements/>
    </bpmn2:participant>%CHANNEL%
  </bpmn2:collaboration>
  <bpmn2:process id="Process_1" name="%NAME%">
    <bpmn2:startEvent id="StartEvent_1" name="Start"><bpmn2:outgoing>SequenceFlow_1</bpmn2:outgoing>%EVENT%</bpmn2:startEvent>
    <bpmn2:endEvent id="EndEvent_1" name="End"><bpmn2:incoming>SequenceFlow_1</bpmn2:incoming><bpmn2:messageEventDefinition/></bpmn2:endEvent>
    <bpmn2:sequenceFlow id="SequenceFlow_1" sourceRef="StartEvent_1" targetRef="EndEvent_1"/>
  </bpmn2:process>
  <bpmndi:BPMNDiagram id="BPMNDiagram_1" name="%NAME%">
    <bpmndi:BPMNPlane bpmnElement="Collaboration_1" id="BPMNPlane_1">
      <bpmndi:BPMNShape bpmnElement="Participant_1" id="BPMNShape_1"><dc:Bounds height="140.0" width="100.0" x="40.0" y="100.0"/></bpmndi:BPMNShape>
      <bpmndi:BPMNShape bpmnElement="Participant_Process_1" id="BPMNShape_2"><dc:Bounds height="220.0" width="540.0" x="220.0" y="100.0"/></bpmndi:BPMNShape>
      <bpmndi:BPMNShape bpmnElement="StartEvent_1" id="BPMNShape_3"><dc:Bounds height="32.0" width="32.0" x="292.0" y="142.0"/></bpmndi:BPMNShape>
      <bpmndi:BPMNShape bpmnElement="EndEvent_1" id="BPMNShape_4"><dc:Bounds height="32.0" width="32.0" x="703.0" y="142.0"/></bpmndi:BPMNShape>
      <bpmndi:BPMNEdge bpmnElement="SequenceFlow_1" id="BPMNEdge_1"><di:waypoint x="308.0" xsi:type="dc:Point" y="158.0"/><di:waypoint x="719.0" xsi:type="dc:Point" y="158.0"/></bpmndi:BPMNEdge>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</bpmn2:definitions>
`

// httpsChannel is an HTTPS sender.
const httpsChannel = `
    <bpmn2:messageFlow id="MessageFlow_1" name="HTTPS" sourceRef="Participant_1" targetRef="StartEvent_1">
      <bpmn2:extensionElements>
        <ifl:property><key>ComponentType</key><value>HTTPS</value></ifl:property>
        <ifl:property><key>ComponentNS</key><value>sap</value></ifl:property>
        <ifl:property><key>componentVersion</key><value>1.5</value></ifl:property>
        <ifl:property><key>Name</key><value>HTTPS</value></ifl:property>
        <ifl:property><key>system</key><value>Sender</value></ifl:property>
        <ifl:property><key>urlPath</key><value>%ADDRESS%</value></ifl:property>
        <ifl:property><key>senderAuthType</key><value>RoleBased</value></ifl:property>
        <ifl:property><key>userRole</key><value>%ROLE%</value></ifl:property>
        <ifl:property><key>xsrfProtection</key><value>%CSRF%</value></ifl:property>
        <ifl:property><key>maximumBodySize</key><value>40</value></ifl:property>
        <ifl:property><key>TransportProtocol</key><value>HTTPS</value></ifl:property>
        <ifl:property><key>MessageProtocol</key><value>None</value></ifl:property>
        <ifl:property><key>cmdVariantUri</key><value>ctype::AdapterVariant/cname::sap:HTTPS/tp::HTTPS/mp::None/direction::Sender/version::1.5.2</value></ifl:property>
        <ifl:property><key>direction</key><value>Sender</value></ifl:property>
      </bpmn2:extensionElements>
    </bpmn2:messageFlow>`

// soapChannel is a SOAP 1.x sender.
const soapChannel = `
    <bpmn2:messageFlow id="MessageFlow_1" name="SOAP" sourceRef="Participant_1" targetRef="StartEvent_1">
      <bpmn2:extensionElements>
        <ifl:property><key>ComponentType</key><value>SOAP</value></ifl:property>
        <ifl:property><key>ComponentNS</key><value>sap</value></ifl:property>
        <ifl:property><key>componentVersion</key><value>1.8</value></ifl:property>
        <ifl:property><key>Name</key><value>SOAP</value></ifl:property>
        <ifl:property><key>system</key><value>Sender</value></ifl:property>
        <ifl:property><key>address</key><value>%ADDRESS%</value></ifl:property>
        <ifl:property><key>senderAuthType</key><value>RoleBased</value></ifl:property>
        <ifl:property><key>userRole</key><value>%ROLE%</value></ifl:property>
        <ifl:property><key>serviceDefinition</key><value>manual</value></ifl:property>
        <ifl:property><key>TransportProtocol</key><value>HTTP</value></ifl:property>
        <ifl:property><key>MessageProtocol</key><value>SOAP 1.x</value></ifl:property>
        <ifl:property><key>cmdVariantUri</key><value>ctype::AdapterVariant/cname::sap:SOAP/tp::HTTP/mp::SOAP 1.x/direction::Sender/version::1.8.0</value></ifl:property>
        <ifl:property><key>direction</key><value>Sender</value></ifl:property>
      </bpmn2:extensionElements>
    </bpmn2:messageFlow>`
