// uart_rx - bytes from a serial line: 8 data bits, no parity, one stop bit.
//
// A phase accumulator that wraps Baud times a second marks the middle of each bit, so any ClockHz / Baud
// of at least 4 works without a fractional error that grows. valid_o is a pulse; nothing holds a byte back.
// A byte whose stop bit is low is dropped.

module uart_rx #(
  parameter int unsigned ClockHz = 25000000,
  parameter int unsigned Baud    = 1000000
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       rx_i,
  output logic       valid_o,
  output logic [7:0] data_o
);
  localparam int unsigned PhaseBits = 16;
  localparam longint unsigned Exact = ((64'(Baud) << PhaseBits) + 64'(ClockHz / 2)) / 64'(ClockHz);
  localparam logic [PhaseBits:0] Step = (PhaseBits + 1)'(Exact);

  if (ClockHz / 4 < Baud) begin : gen_too_fast
    $error("uart_rx: ClockHz=%0d is less than 4 times Baud=%0d", ClockHz, Baud);
  end

  logic [2:0] line_q;  // the last stage is the line, two clocks late
  logic [PhaseBits-1:0] phase_q;
  logic [PhaseBits:0] phase_d;  // its top bit: the phase wrapped
  logic [3:0] bit_q;  // 0 idle, 1 start bit, 2..9 data, 10 stop bit
  logic [7:0] data_q;
  logic       line, middle;

  assign line    = line_q[2];
  assign phase_d = {1'b0, phase_q} + Step;
  assign middle  = phase_d[PhaseBits];

  always_ff @(posedge clk_i) begin
    line_q  <= {line_q[1:0], rx_i};
    valid_o <= 1'b0;
    if (!rst_ni) begin
      line_q <= '1;
      bit_q  <= '0;
    end else if (bit_q == 0) begin
      phase_q <= PhaseBits'(1) << (PhaseBits - 1);  // half a bit to the middle of the start bit
      if (!line) bit_q <= 4'd1;
    end else begin
      phase_q <= phase_d[PhaseBits-1:0];
      if (middle) begin
        bit_q <= bit_q + 1'b1;
        if (bit_q == 1 && line) bit_q <= '0;  // a glitch, not a start bit
        else if (bit_q == 10) begin
          bit_q   <= '0;
          valid_o <= line;
        end else if (bit_q != 1) data_q <= {line, data_q[7:1]};
      end
    end
  end

  assign data_o = data_q;
endmodule
