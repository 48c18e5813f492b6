package iflow

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// The namespaces of SOAP 1.1 and 1.2, and of the temperature service.
const (
	soap11           = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12           = "http://www.w3.org/2003/05/soap-envelope"
	temperatureSpace = "urn:sandbox:temperature"
)

// envelope is a SOAP request; its first member may have any name.
type envelope struct {
	XMLName xml.Name
	Body    struct {
		Operations []struct {
			XMLName    xml.Name
			Celsius    *string `xml:"Celsius"`
			Fahrenheit *string `xml:"Fahrenheit"`
		} `xml:",any"`
	} `xml:"Body"`
}

// temperature is a SOAP 1.1 and 1.2 service with the operations
// CelsiusToFahrenheit (<Celsius>) and FahrenheitToCelsius (<Fahrenheit>), which
// answer <CelsiusToFahrenheitResponse> with a <Result>. GET with ?wsdl gives
// its description.
func temperature(_ context.Context, m *Message) Answer {
	if m.Method == http.MethodGet {
		if _, ok := m.Query["wsdl"]; ok {
			return Answer{ContentType: "text/xml;charset=utf-8", Body: []byte(wsdl(m))}
		}
		return soapFault(soap11, "Client", "no SOAP message in the request; the description of the service is at ?wsdl")
	}
	var e envelope
	if err := xml.Unmarshal(m.Body, &e); err != nil {
		return soapFault(soap11, "Client", "the body is not XML: "+plain(err))
	}
	version := e.XMLName.Space
	if e.XMLName.Local != "Envelope" || version != soap11 && version != soap12 {
		return soapFault(soap11, "Client", fmt.Sprintf("want an Envelope of SOAP 1.1 or 1.2, got %s", clip(e.XMLName.Local)))
	}
	if len(e.Body.Operations) != 1 {
		return soapFault(version, "Client", fmt.Sprintf("want one operation in the Body, got %d", len(e.Body.Operations)))
	}
	op := e.Body.Operations[0]
	name := op.XMLName.Local
	var operand string
	var value *string
	var convert func(float64) float64
	switch name {
	case "CelsiusToFahrenheit":
		operand, value, convert = "Celsius", op.Celsius, func(c float64) float64 { return c*9/5 + 32 }
	case "FahrenheitToCelsius":
		operand, value, convert = "Fahrenheit", op.Fahrenheit, func(f float64) float64 { return (f - 32) * 5 / 9 }
	default:
		return soapFault(version, "Client", fmt.Sprintf("unknown operation %s: want CelsiusToFahrenheit or FahrenheitToCelsius", clip(name)))
	}
	if value == nil {
		return soapFault(version, "Client", fmt.Sprintf("%s: %s is missing", name, operand))
	}
	degrees, err := strconv.ParseFloat(strings.TrimSpace(*value), 64)
	if err != nil || math.IsNaN(degrees) || math.Abs(degrees) > 1e9 {
		return soapFault(version, "Client", fmt.Sprintf("%s: want a number in %s, got %q", name, operand, clip(*value)))
	}
	result := math.Round(convert(degrees)*100) / 100
	return soapAnswer(http.StatusOK, version, fmt.Sprintf(`<t:%[1]sResponse xmlns:t=%[2]q><t:Result>%[3]s</t:Result></t:%[1]sResponse>`,
		name, temperatureSpace, strconv.FormatFloat(result, 'f', -1, 64)))
}

func soapAnswer(status int, version, body string) Answer {
	media := "text/xml;charset=utf-8"
	if version == soap12 {
		media = "application/soap+xml;charset=utf-8"
	}
	return Answer{Status: status, ContentType: media,
		Body: []byte(`<soap:Envelope xmlns:soap="` + version + `"><soap:Body>` + body + `</soap:Body></soap:Envelope>`)}
}

// soapFault answers with a Fault, which SOAP over HTTP sends with 500 (SOAP
// 1.1, 6.2). The flow itself did its work: its log is COMPLETED.
func soapFault(version, code, text string) Answer {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(text)) // a buffer takes everything
	if version == soap12 {
		if code == "Client" {
			code = "Sender"
		}
		return soapAnswer(http.StatusInternalServerError, version,
			`<soap:Fault><soap:Code><soap:Value>soap:`+code+`</soap:Value></soap:Code><soap:Reason><soap:Text xml:lang="en">`+escaped.String()+`</soap:Text></soap:Reason></soap:Fault>`)
	}
	return soapAnswer(http.StatusInternalServerError, version,
		`<soap:Fault><faultcode>soap:`+code+`</faultcode><faultstring>`+escaped.String()+`</faultstring></soap:Fault>`)
}

// wsdl describes the service (WSDL 1.1, document/literal).
func wsdl(m *Message) string {
	var types, messages, operations, bindings strings.Builder
	for _, op := range [][2]string{{"CelsiusToFahrenheit", "Celsius"}, {"FahrenheitToCelsius", "Fahrenheit"}} {
		fmt.Fprintf(&types, `<xs:element name="%[1]s"><xs:complexType><xs:sequence><xs:element name="%[2]s" type="xs:decimal"/></xs:sequence></xs:complexType></xs:element><xs:element name="%[1]sResponse"><xs:complexType><xs:sequence><xs:element name="Result" type="xs:decimal"/></xs:sequence></xs:complexType></xs:element>`, op[0], op[1])
		fmt.Fprintf(&messages, `<wsdl:message name="%[1]s"><wsdl:part name="parameters" element="t:%[1]s"/></wsdl:message><wsdl:message name="%[1]sResponse"><wsdl:part name="parameters" element="t:%[1]sResponse"/></wsdl:message>`, op[0])
		fmt.Fprintf(&operations, `<wsdl:operation name="%[1]s"><wsdl:input message="t:%[1]s"/><wsdl:output message="t:%[1]sResponse"/></wsdl:operation>`, op[0])
		fmt.Fprintf(&bindings, `<wsdl:operation name="%[1]s"><soap:operation soapAction=""/><wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation>`, op[0])
	}
	var address bytes.Buffer
	_ = xml.EscapeText(&address, []byte("http://"+m.Host+m.Path))
	return xml.Header + `<wsdl:definitions name="Temperature" targetNamespace="` + temperatureSpace + `" xmlns:t="` + temperatureSpace +
		`" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">` +
		`<wsdl:types><xs:schema targetNamespace="` + temperatureSpace + `" elementFormDefault="qualified">` + types.String() + `</xs:schema></wsdl:types>` +
		messages.String() + `<wsdl:portType name="Temperature">` + operations.String() + `</wsdl:portType>` +
		`<wsdl:binding name="Temperature" type="t:Temperature"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>` + bindings.String() + `</wsdl:binding>` +
		`<wsdl:service name="Temperature"><wsdl:port name="Temperature" binding="t:Temperature"><soap:address location="` + address.String() + `"/></wsdl:port></wsdl:service></wsdl:definitions>`
}
