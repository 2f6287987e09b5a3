"""The gateway's configuration."""

from __future__ import annotations

from pathlib import Path

NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/logs/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {folder}/logs/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://127.0.0.1:{orders};
      proxy_read_timeout 60s;
    }}
  }}
}}
"""


def configure(folder: Path, port: int, orders_port: int) -> Path:
    """Write nginx.conf into `folder`, where its logs and temporary files go too."""
    (folder / "logs").mkdir(exist_ok=True)
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, port=port, orders=orders_port))
    return path
