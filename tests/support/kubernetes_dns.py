#!/usr/bin/python3
"""Names of headless services for kubernetes.sh: asks the API for the endpoints whenever it is asked.
REDIS-0.SERVICE.NAMESPACE.svc.cluster.local is one pod, SERVICE.NAMESPACE.svc.cluster.local all of them.
usage: kubernetes_dns.py ADDRESS API PKI-DIRECTORY"""
import json
import socket
import ssl
import struct
import sys
import urllib.error
import urllib.request

TYPE_A, NAME_ERROR = 1, 3


def addresses(api, context, name):
    """The IPv4 addresses of a name; None: there is no such name."""
    labels = name.lower().split('.')
    if labels[-3:] != ['svc', 'cluster', 'local'] or len(labels) not in (5, 6):
        return None
    host = labels[0] if len(labels) == 6 else None
    service, namespace = labels[-5], labels[-4]
    try:
        with urllib.request.urlopen(f'{api}/api/v1/namespaces/{namespace}/endpoints/{service}',
                                    context=context, timeout=5) as answer:
            subsets = json.load(answer).get('subsets') or []
    except urllib.error.HTTPError:
        return None
    found = [one['ip'] for subset in subsets for one in subset.get('addresses', [])
             if host in (None, one.get('hostname'))]
    return found or None


def question(packet):
    """name, type, and where the question ends"""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return '.'.join(labels), struct.unpack('>H', packet[at + 1:at + 3])[0], at + 5


def answer_to(packet, api, context):
    name, kind, end = question(packet)
    found = addresses(api, context, name)
    records = b''.join(struct.pack('>HHHIH', 0xc00c, TYPE_A, 1, 1, 4) + socket.inet_aton(ip)
                       for ip in found or []) if kind == TYPE_A else b''
    flags = 0x8580 | (NAME_ERROR if found is None else 0)
    return packet[:2] + struct.pack('>HHHHH', flags, 1, len(records) // 16, 0, 0) + packet[12:end] + records


def main():
    address, api, pki = sys.argv[1:]
    context = ssl.create_default_context(cafile=f'{pki}/ca.crt')
    context.load_cert_chain(f'{pki}/client.crt', f'{pki}/client.key')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        while True:
            packet, client = server.recvfrom(512)
            try:
                server.sendto(answer_to(packet, api, context), client)
            except (IndexError, OSError, UnicodeDecodeError, struct.error, ValueError) as error:
                print(error, file=sys.stderr, flush=True)


if __name__ == '__main__':
    main()
