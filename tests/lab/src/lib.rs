//! A local WhatsApp server with simulated phones.
