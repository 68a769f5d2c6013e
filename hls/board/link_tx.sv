// link_tx - answers become frames on a serial line.
//
// Sends, in this order of urgency: the reply to HELLO (what this design is), BUSY for a dropped image, the value of a
// register that was read, and answers as they come. A HELLO cuts an answer short; the flag that opens the reply ends the broken frame, whose CRC is wrong.
// Frames are as in link_rx; hwflow/driver.py says what they mean.

module link_tx #(
  parameter int unsigned Bytes    = 1,  // of one answer
  parameter int unsigned DesignId = 0,
  parameter int unsigned Version  = 2
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        hello_i,  // pulse
  input  logic        busy_i,   // pulse
  input  logic [15:0] tag_i,    // of either
  input  logic        value_i,  // pulse: the register of value_tag_i was read
  input  logic [15:0] value_tag_i,
  input  logic [31:0] value_data_i,
  input  logic        x_valid_i,
  output logic        x_ready_o,
  input  logic [7:0]  x_data_i,
  input  logic [15:0] x_tag_i,  // steady through an answer
  output logic        y_valid_o,
  input  logic        y_ready_i,
  output logic [7:0]  y_data_o
);
  localparam logic [7:0] Flag = 8'h7E, Escape = 8'h7D, Answer = 8'h81, Hello = 8'h82, Busy = 8'h83, Value = 8'h84;
  localparam int unsigned About = 5;  // bytes that say what this design is
  localparam int unsigned ValueBytes = 4;
  localparam int unsigned Most = Bytes > About ? Bytes : About;
  localparam int unsigned CountBits = $clog2(Most + 1);

  typedef enum logic [2:0] {Idle, Kind, TagLow, TagHigh, Body, Crc, Close} state_e;
  state_e state_q, state_d;
  logic [7:0] kind_q;
  logic [15:0] tag_q, hello_tag_q, busy_tag_q, value_tag_q;
  logic [31:0] value_q;
  logic hello_q, busy_q, value_valid_q, escaped_q;
  logic [CountBits-1:0] left_q;
  logic [1:0] crc_byte_q;
  logic [31:0] crc;
  logic        crc_busy;

  // a value's four bytes are sent from the low end, as the bytes that say what this design is
  logic [39:0] about;
  assign about = kind_q == Value ? {value_q, 8'h00} : {32'(DesignId), 8'(Version)};

  // the byte of this state; `have` is low while an answer is still being computed
  logic [7:0] data;
  logic have, room, special, sent, abort, start;
  assign abort = hello_q && state_q != Idle && kind_q == Answer;
  assign room  = !y_valid_o || y_ready_i;
  always_comb begin
    have = 1'b1;
    unique case (state_q)
      Kind:    data = kind_q;
      TagLow:  data = tag_q[7:0];
      TagHigh: data = tag_q[15:8];
      Body: begin
        data = kind_q == Answer ? x_data_i : about[8*(About-1-32'(left_q))+:8];
        have = kind_q != Answer || x_valid_i;
      end
      Crc:     data = ~crc[8*crc_byte_q+:8];
      default: data = Flag;
    endcase
  end
  assign start     = state_q == Idle && (hello_q || busy_q || value_valid_q || x_valid_i) && room;
  assign special   = state_q != Close && (data == Flag || data == Escape) && !escaped_q;
  assign sent      = have && room && !crc_busy && !special && state_q != Idle && !abort;
  assign x_ready_o = state_q == Body && kind_q == Answer && sent;

  crc32 crc_of (
    .clk_i(clk_i), .clear_i(state_q == Idle), .add_i(sent && state_q != Crc && state_q != Close), .data_i(data),
    .busy_o(crc_busy), .crc_o(crc)
  );

  always_comb begin
    state_d = state_q;
    if (abort) state_d = Idle;
    else if (start) state_d = Kind;
    else if (sent) begin
      unique case (state_q)
        Kind:    state_d = TagLow;
        TagLow:  state_d = TagHigh;
        TagHigh: state_d = kind_q == Busy ? Crc : Body;
        Body:    state_d = left_q == 0 ? Crc : Body;
        Crc:     state_d = crc_byte_q == 3 ? Close : Crc;
        default: state_d = Idle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q   <= Idle;
      y_valid_o <= 1'b0;
      hello_q   <= 1'b0;
      busy_q    <= 1'b0;
      value_valid_q <= 1'b0;
      escaped_q <= 1'b0;
    end else begin
      state_q <= state_d;
      if (y_ready_i) y_valid_o <= 1'b0;
      if (start) begin
        kind_q     <= hello_q ? Hello : busy_q ? Busy : value_valid_q ? Value : Answer;
        tag_q      <= hello_q ? hello_tag_q : busy_q ? busy_tag_q : value_valid_q ? value_tag_q : x_tag_i;
        left_q     <= hello_q ? CountBits'(About - 1) : value_valid_q ? CountBits'(ValueBytes - 1) : CountBits'(Bytes - 1);
        crc_byte_q <= '0;
        escaped_q  <= 1'b0;
        y_valid_o  <= 1'b1;
        y_data_o   <= Flag;
        if (hello_q) hello_q <= 1'b0;
        else if (busy_q) busy_q <= 1'b0;
        else value_valid_q <= 1'b0;
      end else if (state_q != Idle && !abort && have && room && !crc_busy) begin
        y_valid_o <= 1'b1;
        y_data_o  <= special ? Escape : escaped_q ? data ^ 8'h20 : data;
        escaped_q <= special;
        if (sent && state_q == Body) left_q <= left_q - 1'b1;
        if (sent && state_q == Crc) crc_byte_q <= crc_byte_q + 1'b1;
      end
      if (busy_i) begin
        busy_q     <= 1'b1;
        busy_tag_q <= tag_i;
      end
      if (value_i) begin
        value_valid_q <= 1'b1;
        value_tag_q   <= value_tag_i;
        value_q       <= value_data_i;
      end
      if (hello_i) begin
        hello_q     <= 1'b1;
        hello_tag_q <= tag_i;
        busy_q      <= 1'b0;
      end
    end
  end
endmodule
