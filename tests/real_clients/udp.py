import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
host, port, question = sys.argv[1:]
client.sendto(question.encode(), (host, int(port)))
print(client.recv(1024).decode())
